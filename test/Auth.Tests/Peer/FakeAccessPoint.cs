using Masquerade.Auth.Eap;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Tests.Peer;

/// <summary>An access point as the client sees it: EAP by a script, and a real handshake and real protection behind it.</summary>
internal sealed class FakeAccessPoint
{
    private readonly MacAddress _client;
    private readonly NodeId _node;
    private AccessPointKey? _key;
    private byte _identifier;
    private int _step;

    public FakeAccessPoint(string node, MacAddress address, MacAddress client)
    {
        (_node, Address, _client) = (new NodeId(node), address, client);
        _identifier = (byte)(address.Value * 16);
    }

    public MacAddress Address { get; }

    public MacsecChannel Channel { get; private set; } = new();

    public HandshakeAuthenticator? Handshake { get; private set; }

    public List<byte[]> Received { get; } = [];

    public int Starts { get; private set; }

    public bool Logoff { get; private set; }

    /// <summary>How many EAP responses it has seen.</summary>
    public int Eap { get; private set; }

    public bool OffersProtection { get; set; } = true;

    public bool Rejects { get; set; }

    public bool IsSilent { get; set; }

    /// <summary>What it is told by the key holder.</summary>
    /// <param name="session">The session.</param>
    /// <param name="isAnew">Whether it has forgotten all else.</param>
    public void Know(SessionKey session, bool isAnew = true)
    {
        using var given = session.DeriveFor(_node);
        Assert.True(AccessPointKey.TryFrom(given.Bytes, _node, given.Session, _client, out _key));
        Handshake?.Dispose();
        Channel = isAnew ? new MacsecChannel() : Channel;
        Handshake = new HandshakeAuthenticator(_key, new Sci(Address, 1), new HandshakeConfig(), FakeTls.Random, Channel);
    }

    /// <summary>Message 1.</summary>
    public byte[] Offer(Instant now)
    {
        var pdu = new byte[HandshakeFrame.MaxLength];
        return Frame(pdu[..Handshake!.Start(now, pdu)]);
    }

    public byte[] AskIdentity()
    {
        _step = 0;
        return Request(EapType.Identity, []);
    }

    public byte[] Failure()
    {
        var eap = new byte[4];
        EapPacket.WriteFailure(eap, 77);
        return Eapol(eap);
    }

    /// <summary>Takes a frame of the client; what comes back goes to the client.</summary>
    public IEnumerable<byte[]> Take(byte[] frame, Instant now)
    {
        Assert.True(EthernetHeader.TryParse(frame, out var header));
        Assert.Equal(_client, header.Source);
        if (header.Type != EtherType.Eapol)
        {
            var plain = new byte[frame.Length];
            if (Channel.Validate(frame, plain, now, out var length) == ProtectionDrop.None)
            {
                Received.Add(plain[..length]);
            }

            return [];
        }

        Assert.Equal(EapolFrame.GroupAddress, header.Destination);
        Assert.True(EapolFrame.TryParse(header.Payload, out var eapol));
        switch (eapol.Type)
        {
            case EapolType.Start:
                Starts++;
                return IsSilent ? [] : Handshake is { } known ? known.State is HandshakeState.Opening or HandshakeState.Proving ? [] : [Offer(now)] : [AskIdentity()];
            case EapolType.Logoff:
                Logoff = true;
                return [];
            case EapolType.Key:
                var answer = new byte[HandshakeFrame.MaxLength];
                var written = Handshake?.Receive(eapol.Pdu, now, answer, out _) ?? 0;
                return written > 0 ? [Frame(answer[..written])] : [];
            default:
                return Converse(eapol.Body.ToArray(), now);
        }
    }

    public byte[] Protect(byte[] frame)
    {
        var output = new byte[frame.Length + MacsecChannel.FrameOverhead];
        Assert.Equal(ProtectionDrop.None, Channel.Protect(frame, output, out var written));
        return output[..written];
    }

    private IEnumerable<byte[]> Converse(byte[] response, Instant now)
    {
        Assert.True(EapPacket.TryParse(response, out var eap));
        Assert.Equal((EapCode.Response, _identifier), (eap.Code, eap.Identifier));
        Eap++;
        switch (_step++)
        {
            case 0:
                return [Request(EapType.Tls, [0x20])];
            case 1:
                return [Request(EapType.Tls, "\0f10"u8.ToArray())];
            default:
                var last = new byte[4];
                if (Rejects)
                {
                    EapPacket.WriteFailure(last, _identifier);
                    return [Eapol(last)];
                }

                EapPacket.WriteSuccess(last, _identifier);
                if (!OffersProtection)
                {
                    return [Eapol(last)];
                }

                Assert.True(SessionKey.TryDerive(FakeTls.Export("client EAP encryption", [], 128).AsSpan(0, 64), SessionId.Draw(FakeTls.Random), _client, out var session));
                Session = session;
                Know(session, isAnew: false);
                return [Eapol(last), Offer(now)];
        }
    }

    public SessionKey? Session { get; private set; }

    private byte[] Request(EapType type, byte[] data)
    {
        var eap = new byte[5 + data.Length];
        Assert.True(EapPacket.TryWrite(eap, EapCode.Request, ++_identifier, type, data, out _));
        return Eapol(eap);
    }

    private byte[] Eapol(byte[] eap)
    {
        var pdu = new byte[4 + eap.Length];
        Assert.True(EapolFrame.TryWrite(pdu, 2, EapolType.Packet, eap, out _));
        return Frame(pdu);
    }

    private byte[] Frame(byte[] pdu)
    {
        var frame = new byte[Math.Max(60, EthernetHeader.Length + pdu.Length)];
        EthernetHeader.Write(frame, _client, Address, EtherType.Eapol);
        pdu.CopyTo(frame, EthernetHeader.Length);
        return frame;
    }
}
