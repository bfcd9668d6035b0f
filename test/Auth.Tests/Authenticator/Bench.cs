using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Eapol;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Tests.Authenticator;

/// <summary>A table with everything that it said, a clock, and clients and a server that say what the test wants.</summary>
internal sealed class Bench : IAuthenticatorOutput
{
    public static readonly MacAddress Alice = MacAddress.Parse("02:00:00:00:00:0a");

    private readonly byte[] _buffer = new byte[8_192];

    public Bench(AuthenticatorConfig? config = null, ulong seed = 1)
    {
        Table = new AuthenticatorTable(config ?? new AuthenticatorConfig(), this, (uint)seed, 1_000, Now);
    }

    public AuthenticatorTable Table { get; }

    public Instant Now { get; set; } = Instant.FromMilliseconds(5_000_000);

    /// <summary>Whose frames and questions are remembered; null is everybody's.</summary>
    public MacAddress? Only { get; init; }

    public List<(MacAddress Client, byte[] Eap)> Sent { get; } = [];

    public List<(MacAddress Client, ulong Exchange, byte[] Eap, string Identity)> Asked { get; } = [];

    public List<string> Ports { get; } = [];

    public long SentCount { get; private set; }

    public long AskedCount { get; private set; }

    public byte[] Last => Sent[^1].Eap;

    public byte LastId => Last[1];

    public AuthenticatorStats Stats => Table.Stats;

    public AuthenticatorPort Port => Table.Find(Alice)!;

    public EapolVerdict Start(MacAddress? client = null) => Frame(client ?? Alice, EapolType.Start, []);

    public EapolVerdict Logoff(MacAddress? client = null) => Frame(client ?? Alice, EapolType.Logoff, []);

    public EapolVerdict Respond(byte id, EapType type, ReadOnlySpan<byte> data, MacAddress? client = null)
    {
        Assert.True(EapPacket.TryWrite(_buffer.AsSpan(16), EapCode.Response, id, type, data, out var written));
        return Frame(client ?? Alice, EapolType.Packet, _buffer.AsSpan(16, written).ToArray());
    }

    public EapolVerdict Identify(string name = "alice", MacAddress? client = null) =>
        Respond(LastTo(client ?? Alice)[1], EapType.Identity, System.Text.Encoding.ASCII.GetBytes(name), client);

    public byte[] LastTo(MacAddress client) => Sent.Last(sent => sent.Client == client).Eap;

    public EapolVerdict Frame(MacAddress client, EapolType type, ReadOnlySpan<byte> body)
    {
        var pdu = new byte[4 + body.Length];
        Assert.True(EapolFrame.TryWrite(pdu, 1, type, body, out _));
        return Table.OnEapol(client, pdu, Now);
    }

    public bool Answer(EapOutcome outcome, ReadOnlySpan<byte> eap = default, ulong? exchange = null, uint timeout = 0, bool again = false, MacAddress? client = null) =>
        Table.OnServerAnswer(
            client ?? Alice,
            new ServerAnswer
            {
                Exchange = exchange ?? Asked.Last(asked => asked.Client == (client ?? Alice)).Exchange,
                Outcome = outcome,
                Eap = eap,
                SessionTimeout = timeout,
                ReauthenticateAtEnd = again,
            },
            Now);

    public static byte[] Request(byte id, EapType type = EapType.Peap, params byte[] data)
    {
        var buffer = new byte[5 + data.Length];
        Assert.True(EapPacket.TryWrite(buffer, EapCode.Request, id, type, data, out _));
        return buffer;
    }

    /// <summary>From nothing to authorised: identity, two rounds of a method, and yes.</summary>
    public void Authenticate(MacAddress? client = null, uint timeout = 0, bool again = false, bool isStarted = false)
    {
        var who = client ?? Alice;
        if (!isStarted)
        {
            Start(who);
        }

        Rounds(who);
        Assert.True(Answer(EapOutcome.Accept, timeout: timeout, again: again, client: who));
        Assert.True(Table.Find(who)!.IsAuthorised);
    }

    /// <summary>Identity and two rounds of a method; the server's word is awaited.</summary>
    public void Rounds(MacAddress? client = null)
    {
        var who = client ?? Alice;
        Assert.Equal(EapolVerdict.Taken, Identify("alice", who));
        for (byte round = 1; round <= 2; round++)
        {
            var id = (byte)(Asked.Last(asked => asked.Client == who).Eap[1] + 1);
            Assert.True(Answer(EapOutcome.Continue, Request(id, EapType.Peap, round), client: who));
            Assert.Equal(Request(id, EapType.Peap, round), LastTo(who));
            Assert.Equal(EapolVerdict.Taken, Respond(id, EapType.Peap, [round, round], who));
        }
    }

    /// <summary>Lets time pass as a shell does, from deadline to deadline.</summary>
    public void Pass(double seconds)
    {
        var end = Now + TimeSpan.FromSeconds(seconds);
        for (var steps = 0; Table.NextDeadline <= end; steps++)
        {
            Assert.True(steps < 1_000_000, "deadlines that never come to an end");
            Now = Instant.Max(Now, Table.NextDeadline);
            Table.Advance(Now);
        }

        Now = end;
        Table.Advance(Now);
    }

    public void SendEapol(MacAddress client, ReadOnlySpan<byte> pdu)
    {
        SentCount++;
        if (Only is { } only && only != client)
        {
            return;
        }

        Assert.True(EapolFrame.TryParse(pdu, out var frame));
        Assert.Equal(EapolType.Packet, frame.Type);
        Assert.Equal(pdu.Length, frame.Pdu.Length);
        Assert.True(EapPacket.TryParse(frame.Body, out var eap));
        Assert.NotEqual(EapCode.Response, eap.Code);
        Sent.Add((client, eap.Octets.ToArray()));
    }

    public void AskServer(MacAddress client, ulong exchange, ReadOnlySpan<byte> eap, ReadOnlySpan<byte> identity)
    {
        AskedCount++;
        if (Only is { } only && only != client)
        {
            return;
        }

        Asked.Add((client, exchange, eap.ToArray(), System.Text.Encoding.ASCII.GetString(identity)));
    }

    public void PortAuthorised(MacAddress client, ulong exchange, AuthorisedReason reason) => Ports.Add($"{client} + {reason}");

    public void PortUnauthorised(MacAddress client, UnauthorisedReason reason) => Ports.Add($"{client} - {reason}");
}
