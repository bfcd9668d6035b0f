using Masquerade.AccessPoint.Users;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>An access point that asks for users; the test plays its clients, the coordinator with the key holder, and the router.</summary>
internal sealed class UserBench
{
    public static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    public static readonly MacAddress Other = MacAddress.Parse("02:00:00:00:00:12");
    public static readonly TransportEndpoint Server = TransportEndpoint.Parse("203.0.113.9:80");
    private static readonly MacAddress s_router = MacAddress.Parse("02:bb:00:00:00:01");
    private static readonly MacAddress s_own = MacAddress.Parse("02:aa:00:00:00:01");
    private ulong _pushed = 1UL << 40;

    public UserBench(UsersConfig? users = null, Func<AccessPointModel, AccessPointModel>? change = null)
    {
        var gateway = IpAddress.Parse("10.1.1.1");
        var model = new AccessPointModel
        {
            Node = new NodeId("ap1"),
            Incarnation = 9,
            Uplink = new UplinkModel
            {
                Mac = s_own,
                Addresses = [IpAddress.Parse("10.1.1.10")],
                OnLink = [IpPrefix.Parse("10.1.1.0/24")],
                GatewayV4 = gateway,
                StaticNeighbours = new Dictionary<IpAddress, MacAddress> { [gateway] = s_router },
            },
            Clients = new ClientSideModel { GatewayAddresses = [IpAddress.Parse("192.168.77.1")], Prefixes = [IpPrefix.Parse("192.168.77.0/24")] },
            Users = users ?? new UsersConfig { Enabled = true },
            LinkRandom = System.Security.Cryptography.RandomNumberGenerator.Fill,
        };
        Node = new AccessPointNode(change is null ? model : change(model), 42, Output);
        Node.OnControlConnected(Now);
        Node.OnControl(new Welcome { Id = Output.Control.OfType<Hello>().Last().Id, Coordinator = new NodeId("c"), StoreIncarnation = 1, HeartbeatMilliseconds = 600_000 }, Now);
        Output.Control.Clear();
    }

    public RecordingOutput Output { get; } = new();

    public AccessPointNode Node { get; }

    public Instant Now { get; private set; } = Instant.FromMilliseconds(1);

    /// <summary>EAPOL frames to a client since they were last taken, without their Ethernet headers.</summary>
    public List<byte[]> TakeEapol(MacAddress client)
    {
        var frames = Output.Client.Where(f => f[12] == 0x88 && f[13] == 0x8E && MacAddress.FromBytes(f) == client).Select(f => f[14..]).ToList();
        Output.Client.Clear();
        return frames;
    }

    /// <summary>What the node has said to the coordinator since it was last taken.</summary>
    public List<T> Take<T>()
        where T : ControlMessage
    {
        var said = Output.Control.OfType<T>().ToList();
        Output.Control.RemoveAll(m => m is T);
        return said;
    }

    public static UserSession Session(string user, byte number = 1, bool trusted = false, uint seconds = 0, uint idle = 0) => new()
    {
        Session = Id(number), User = user, Key = Octets.Empty, Policy = Name(Everything), IsTrusted = trusted, SecondsLeft = seconds, IdleSeconds = idle,
    };

    public const string Everything = "policy everything\nallow both any\n";

    /// <summary>The name of a policy's text.</summary>
    public static Octets Name(string text) => new(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)));

    /// <summary>The coordinator gives the text that is asked for.</summary>
    public void TellPolicy(string text = Everything)
    {
        foreach (var query in Take<PolicyQuery>().Where(q => q.Policy.Equals(Name(text))))
        {
            Hear(new PolicyReply { Id = query.Id, Policy = query.Policy, Text = new Octets(System.Text.Encoding.UTF8.GetBytes(text)) });
        }
    }

    public static Octets Id(byte number) => new([.. Enumerable.Repeat(number, UserSession.IdLength)]);

    public void Wait(double milliseconds)
    {
        Now += TimeSpan.FromMilliseconds(milliseconds);
        Node.Advance(Now);
    }

    public void Hear(ControlMessage message) => Node.OnControl(message, Now);

    public void Push(Func<ulong, ControlMessage> message) => Node.OnControl(message(++_pushed), Now);

    /// <summary>The client opens a connection; whether its packet went out.</summary>
    public bool Speak(MacAddress client, int port = 40_000)
    {
        Output.Uplink.Clear();
        Node.OnClientFrame(Packet(client, port), OffloadInfo.None, Now);
        return Output.Uplink.Count > 0;
    }

    /// <summary>A client's frame to the server.</summary>
    public byte[] Packet(MacAddress client, int port = 40_000, string? source = null) => Frames.Build(
        AccessPointModel.DefaultGatewayMac, client, TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse(source ?? (client == Client ? "192.168.77.101" : "192.168.77.102")), (ushort)port), Server, "hello"u8);

    /// <summary>A frame of the server to the uplink.</summary>
    public void Inbound(byte[] frame, in OffloadInfo offload) => Node.OnUplinkFrame(frame, offload, Now);

    /// <summary>What the server sends to a masquerade endpoint.</summary>
    public static byte[] FromServer(TransportEndpoint masquerade, int payload, TransportProtocol protocol = TransportProtocol.Udp) =>
        Frames.Build(s_own, s_router, protocol, Server, masquerade, new byte[payload], TcpFlags.Ack);

    /// <summary>The server answers the connection that was opened last; whether the client got it.</summary>
    public bool Answer(TransportEndpoint masquerade)
    {
        Output.Client.Clear();
        Node.OnUplinkFrame(Frames.Build(s_own, s_router, TransportProtocol.Udp, Server, masquerade, "world"u8), OffloadInfo.None, Now);
        return Output.Client.Count > 0;
    }

    public TransportEndpoint LastSource() => Frames.Read(Output.Uplink[^1]).Source;

    /// <summary>A frame of a supplicant.</summary>
    public void Eapol(MacAddress client, byte type, params byte[] body)
    {
        var frame = new byte[14 + 4 + body.Length];
        EthernetHeader.Write(frame, MacAddress.Parse("01:80:c2:00:00:03"), client, EtherType.Eapol);
        (frame[14], frame[15], frame[16], frame[17]) = (2, type, (byte)(body.Length >> 8), (byte)body.Length);
        body.CopyTo(frame, 18);
        Node.OnClientFrame(frame, OffloadInfo.None, Now);
        if (type == 1 && Output.Control.OfType<UserSessionQuery>().Any(q => q.Client == client))
        {
            // A Start waits for what the coordinator knows of its sender; here that is nothing.
            Tell(client, null);
        }
    }

    /// <summary>The coordinator answers the last question about a client.</summary>
    public void Tell(MacAddress client, UserSession? session)
    {
        var query = Take<UserSessionQuery>().Last(q => q.Client == client);
        Hear(new UserSessionReply { Id = query.Id, Client = client, Session = session });
    }

    /// <summary>A client that nobody knows authenticates by a method of one round.</summary>
    public void Authenticate(MacAddress client, UserSession session, byte[]? identity = null)
    {
        if (identity is null)
        {
            Eapol(client, 1);
        }

        var request = identity ?? TakeEapol(client).Last();
        Eapol(client, 0, 2, request[5], 0, 7, 1, (byte)'b', (byte)'o');
        var asked = Take<EapFromClient>().Last();
        Hear(new EapToClient { Id = asked.Id, Client = client, Exchange = asked.Exchange, Outcome = EapOutcome.Continue, Eap = new Octets([1, 77, 0, 6, 13, 0x20]) });
        Assert.Equal([1, 77, 0, 6, 13, 0x20], TakeEapol(client).Last()[4..10]);
        Eapol(client, 0, 2, 77, 0, 6, 13, 0);
        asked = Take<EapFromClient>().Last();
        Hear(new EapToClient { Id = asked.Id, Client = client, Exchange = asked.Exchange, Outcome = EapOutcome.Accept, Eap = new Octets([3, 77, 0, 4]), Session = session });
    }

    /// <summary>The coordinator says what the user may, and takes the client's arrival.</summary>
    public void Admit(MacAddress client, ulong epoch = 5)
    {
        TellPolicy();
        var arrive = Take<Arrive>().Last(a => a.Client == client);
        Hear(new ArriveReply { Id = arrive.Id, Client = client, Status = AckStatus.Ok, Epoch = new Epoch(epoch), Complete = true });
    }
}
