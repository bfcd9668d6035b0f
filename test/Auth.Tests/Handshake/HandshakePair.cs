using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Auth.Tests.Protection;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Tests.Handshake;

/// <summary>A client and an access point, and the link between them in the hands of the test.</summary>
internal sealed class HandshakePair
{
    public static readonly SessionId Session = new(0x0123456789ABCDEF, 0x0F1E2D3C4B5A6978);
    public static readonly byte[] Msk = KeyJudge.Draw(new SeededRandom(77), SessionKey.MskLength);

    private readonly FillRandom _random;

    public HandshakePair(ulong seed = 1, string node = "ap1", SupplicantKeys? keys = null, HandshakeConfig? atAccessPoint = null, HandshakeConfig? atClient = null,
        MacsecConfig? macsec = null, string? keyOf = null, SessionId? session = null)
    {
        var chance = new SeededRandom(seed);
        _random = span => KeyJudge.Draw(chance, span.Length).CopyTo(span);
        ApChannel = new MacsecChannel(macsec);
        ClientChannel = new MacsecChannel(macsec);
        Assert.True(SessionKey.TryDerive(Msk, session ?? Session, Channels.Client.Address, out var sk));

        // An access point that has another one's key, or its own.
        using var given = sk.DeriveFor(new NodeId(keyOf ?? node));
        Assert.True(AccessPointKey.TryFrom(given.Bytes, new NodeId(node), session ?? Session, Channels.Client.Address, out var key));
        Key = key;
        if (keys is null)
        {
            Assert.True(SupplicantKeys.TryFromMsk(Msk, Channels.Client.Address, out keys));
        }

        Keys = keys;
        Ap = new HandshakeAuthenticator(key, Channels.AccessPoint, atAccessPoint ?? new HandshakeConfig(), _random, ApChannel);
        Client = new HandshakeSupplicant(Keys, Channels.AccessPoint.Address, atClient ?? new HandshakeConfig(), _random, ClientChannel, Now);
    }

    public AccessPointKey Key { get; }

    public SupplicantKeys Keys { get; }

    public MacsecChannel ApChannel { get; private set; }

    public MacsecChannel ClientChannel { get; }

    public HandshakeAuthenticator Ap { get; private set; }

    public HandshakeSupplicant Client { get; }

    public Instant Now { get; set; } = Instant.FromMilliseconds(1000);

    /// <summary>The access point forgets all but its key, which it is told again.</summary>
    public void RestartAp()
    {
        Ap.Dispose();
        ApChannel.Dispose();
        ApChannel = new MacsecChannel();
        Ap = new HandshakeAuthenticator(Key, Channels.AccessPoint, new HandshakeConfig(), _random, ApChannel);
    }

    public byte[] Start() => Sent((Span<byte> b) => Ap.Start(Now, b));

    public byte[] AdvanceAp() => Sent((Span<byte> b) => Ap.Advance(Now, b));

    public byte[] ToAp(ReadOnlySpan<byte> pdu) => ToAp(pdu, out _);

    public byte[] ToAp(ReadOnlySpan<byte> pdu, out HandshakeDrop drop)
    {
        var answer = new byte[HandshakeFrame.MaxLength];
        var length = Ap.Receive(pdu, Now, answer, out drop);
        Assert.True(drop == HandshakeDrop.None || length == 0);
        return answer[..length];
    }

    public byte[] ToClient(ReadOnlySpan<byte> pdu) => ToClient(pdu, out _);

    public byte[] ToClient(ReadOnlySpan<byte> pdu, out HandshakeDrop drop)
    {
        var answer = new byte[HandshakeFrame.MaxLength];
        var length = Client.Receive(pdu, answer, out drop);
        Assert.True(drop == HandshakeDrop.None || length == 0);
        return answer[..length];
    }

    /// <summary>All four messages, none lost.</summary>
    public byte[][] Complete()
    {
        var first = Start();
        var second = ToClient(first);
        var third = ToAp(second);
        var fourth = ToClient(third);
        Assert.Empty(ToAp(fourth));
        return [first, second, third, fourth];
    }

    public void AssertEstablished()
    {
        Assert.Equal(HandshakeState.Established, Ap.State);
        Assert.Equal(HandshakeState.Established, Client.State);
        Assert.True(Ap.IsProven);
        AssertTraffic();
    }

    /// <summary>Frames pass both ways.</summary>
    public void AssertTraffic()
    {
        var frame = Channels.Frame(200);
        Assert.Equal(frame, Channels.Validate(ApChannel, Channels.Protect(ClientChannel, frame), Now).Frame);
        Assert.Equal(frame, Channels.Validate(ClientChannel, Channels.Protect(ApChannel, frame), Now).Frame);
    }

    private delegate int Writer(Span<byte> buffer);

    private static byte[] Sent(Writer writer)
    {
        var buffer = new byte[HandshakeFrame.MaxLength];
        return buffer[..writer(buffer)];
    }
}
