using System.Diagnostics;
using System.Security.Cryptography;
using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Client.Tests.Wire;

/// <summary>An access point made of its parts: the authenticator, a key holder with a real RADIUS server behind, the handshake and the protection.</summary>
internal sealed class WireAccessPoint : IAuthenticatorOutput, IDisposable
{
    private readonly ClientWire _wire;
    private readonly KeyHolder _holder;
    private readonly NodeId _node;
    private readonly MacAddress _address;
    private readonly AuthenticatorTable _table;
    private readonly Queue<(ulong Exchange, byte[] Eap)> _asked = new();
    private readonly byte[] _plain = new byte[2_048];
    private readonly byte[] _sealed = new byte[2_048];
    private AccessPointKey? _key;
    private HandshakeAuthenticator? _handshake;
    private MacsecChannel _channel = new();

    public WireAccessPoint(ClientWire wire, KeyHolder holder, string node, MacAddress address, ulong firstExchange)
    {
        (_wire, _holder, _node, _address) = (wire, holder, new NodeId(node), address);
        _table = new AuthenticatorTable(new AuthenticatorConfig { QuietPeriod = TimeSpan.FromSeconds(1) }, this, 7, firstExchange, Now);
    }

    public static Instant Now => new(Stopwatch.GetTimestamp() * (1_000_000_000 / Stopwatch.Frequency));

    /// <summary>The session of the last authentication here; the key stays the key holder's.</summary>
    public SessionGrant? Grant { get; private set; }

    /// <summary>EAP responses that it was sent.</summary>
    public int Eap { get; private set; }

    /// <summary>Frames in the clear, other than EAPOL, that the client has sent.</summary>
    public int Clear { get; private set; }

    public bool IsProven => _handshake?.IsProven ?? false;

    public bool Logoff { get; private set; }

    public ProtectionCounters Frames => _channel.Counters;

    /// <summary>Whether it offers to protect the link.</summary>
    public bool Offers { get; init; } = true;

    /// <summary>What the coordinator tells it of a client that arrives.</summary>
    public void Know(SessionKey session)
    {
        using var derived = session.DeriveFor(_node);
        Span<byte> octets = stackalloc byte[AccessPointKey.Length];
        derived.CopyTo(octets);
        Forget();
        Assert.True(AccessPointKey.TryFrom(octets, _node, session.Session, ClientWire.Client, out _key));
        _channel = new MacsecChannel();
        _handshake = new HandshakeAuthenticator(_key, new Sci(_address, 1), new HandshakeConfig(), RandomNumberGenerator.Fill, _channel);
    }

    /// <summary>Loses all it knows of the client.</summary>
    public void Forget()
    {
        _handshake?.Dispose();
        _handshake = null;
        _key?.Dispose();
        _key = null;
        _channel.Dispose();
    }

    /// <summary>Begins the handshake, or makes new keys.</summary>
    public void Start()
    {
        Span<byte> pdu = stackalloc byte[HandshakeFrame.MaxLength];
        Send(pdu[..(_handshake?.Start(Now, pdu) ?? 0)]);
    }

    /// <summary>Takes a frame of the client.</summary>
    public void Take(ReadOnlySpan<byte> frame)
    {
        if (!EthernetHeader.TryParse(frame, out var header) || header.Source != ClientWire.Client)
        {
            return;
        }

        if (header.Type == 0x88E5)
        {
            if (_channel.Validate(frame, _plain, Now, out var length) == ProtectionDrop.None)
            {
                _wire.Behind.Write(_plain.AsSpan(0, length));
            }
        }
        else if (header.Type != EtherType.Eapol)
        {
            Clear++;
        }
        else if (EapolFrame.TryParse(header.Payload, out var eapol))
        {
            TakeEapol(eapol);
        }
    }

    /// <summary>Takes a frame of the host behind.</summary>
    public void TakeFromHost(ReadOnlySpan<byte> frame)
    {
        if (_channel.Protect(frame, _sealed, out var length) == ProtectionDrop.None)
        {
            _wire.Air.Write(_sealed.AsSpan(0, length));
        }
    }

    /// <summary>Does what is due.</summary>
    public void Advance()
    {
        while (_asked.TryDequeue(out var question))
        {
            var answer = _holder.ExchangeAsync(new KeyHolderRequest { Node = _node, Client = ClientWire.Client, Exchange = question.Exchange, Eap = question.Eap }).GetAwaiter().GetResult();
            Grant = answer.Grant ?? Grant;
            _table.OnServerAnswer(ClientWire.Client, new ServerAnswer { Exchange = question.Exchange, Outcome = answer.Outcome, Eap = answer.Eap.Span }, Now);
        }

        _table.Advance(Now);
        Span<byte> pdu = stackalloc byte[HandshakeFrame.MaxLength];
        Send(pdu[..(_handshake?.Advance(Now, pdu) ?? 0)]);
    }

    public void Dispose() => Forget();

    void IAuthenticatorOutput.SendEapol(MacAddress client, ReadOnlySpan<byte> pdu) => Send(pdu);

    void IAuthenticatorOutput.AskServer(MacAddress client, ulong exchange, ReadOnlySpan<byte> eap, ReadOnlySpan<byte> identity) => _asked.Enqueue((exchange, eap.ToArray()));

    void IAuthenticatorOutput.PortAuthorised(MacAddress client, ulong exchange, AuthorisedReason reason)
    {
        if (Offers)
        {
            Know(Grant!.Key!);
            Start();
        }
    }

    void IAuthenticatorOutput.PortUnauthorised(MacAddress client, UnauthorisedReason reason) => Logoff |= reason == UnauthorisedReason.Logoff;

    private void TakeEapol(EapolFrame eapol)
    {
        switch (eapol.Type)
        {
            case EapolType.Start when _handshake is { State: not HandshakeState.Failed }:
                Start();
                break;
            case EapolType.Key:
                Span<byte> answer = stackalloc byte[HandshakeFrame.MaxLength];
                Send(answer[..(_handshake?.Receive(eapol.Pdu, Now, answer, out _) ?? 0)]);
                break;
            default:
                Eap += eapol.Type == EapolType.Packet ? 1 : 0;
                _ = _table.OnEapol(ClientWire.Client, eapol.Pdu, Now);
                break;
        }
    }

    private void Send(ReadOnlySpan<byte> pdu)
    {
        if (pdu.IsEmpty)
        {
            return;
        }

        var frame = new byte[Math.Max(60, EthernetHeader.Length + pdu.Length)];
        EthernetHeader.Write(frame, ClientWire.Client, _address, EtherType.Eapol);
        pdu.CopyTo(frame.AsSpan(EthernetHeader.Length));
        _wire.Air.Write(frame);
    }
}
