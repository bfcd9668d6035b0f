using Masquerade.Auth.Eapol;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Peer;

/// <summary>
/// A client whose link is protected: authenticates once, and at each access point that names the session proves its key by the handshake, without EAP. Between the client's side (a TAP
/// device) and the wire it protects and checks frames. Sans-I/O; one thread. Nothing on the path of frames allocates.
/// </summary>
public sealed partial class Supplicant : IDisposable
{
    private const ushort MacsecType = 0x88E5;

    private readonly SupplicantConfig _config;
    private readonly MacAddress _own;
    private readonly EapPeer _peer;
    private readonly FillRandom _random;
    private readonly ISupplicantOutput _output;
    private readonly byte[] _eapol;
    private readonly byte[] _frame;
    private Instant? _began;
    private int _sent;
    private int _received;
    private bool _withEap;

    /// <summary>A supplicant on a link that is down.</summary>
    /// <param name="config">How it behaves.</param>
    /// <param name="own">The interface's MAC address; not none, no group address.</param>
    /// <param name="peer">Who answers EAP; the supplicant's from now on.</param>
    /// <param name="random">Where nonces come from.</param>
    /// <param name="output">What it does to the world.</param>
    /// <exception cref="ArgumentException">The configuration or the address is out of range.</exception>
    public Supplicant(SupplicantConfig config, MacAddress own, EapPeer peer, FillRandom random, ISupplicantOutput output)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(peer);
        ArgumentNullException.ThrowIfNull(random);
        ArgumentNullException.ThrowIfNull(output);
        if (!config.IsValid || own.IsNone || own.IsGroup)
        {
            throw new ArgumentException("out of range", nameof(config));
        }

        _config = config;
        _own = own;
        _peer = peer;
        _random = random;
        _output = output;
        _eapol = new byte[EthernetHeader.Length + EapolFrame.HeaderLength + 8_192];
        _frame = new byte[config.MaxFrame + Protection.MacsecChannel.FrameOverhead];
    }

    /// <summary>Where it is.</summary>
    public SupplicantState State { get; private set; }

    /// <summary>Whether frames of the client can go out, protected.</summary>
    public bool IsProtected => _link is not null && State != SupplicantState.Disconnected;

    /// <summary>Whether the client was let in and nobody protects the link.</summary>
    public bool IsPlain { get; private set; }

    /// <summary>Whether the shell had better leave the client's frames where they are: new keys are a moment away.</summary>
    public bool HoldsFrames => _holdUntil != Instant.Never;

    /// <summary>The access point that has proved itself; none before.</summary>
    public NodeId Node => _link?.Handshake.Node ?? NodeId.None;

    /// <summary>The access point's MAC address.</summary>
    public MacAddress AccessPoint => _link?.Address ?? MacAddress.None;

    /// <summary>The session, once an access point has proved it.</summary>
    public SessionId Session => _link?.Keys.Session ?? SessionId.None;

    /// <summary>What became of frames.</summary>
    public SupplicantCounters Counters { get; } = new();

    /// <summary>What became of EAP packets.</summary>
    public EapPeerCounters EapCounters => _peer.Counters;

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    public Instant NextDeadline => Instant.Min(Instant.Min(_deadline, _offerUntil), Instant.Min(_holdUntil, Instant.Min(Instant.Min(_requestAt, _probeAt), LinkDeadline)));

    /// <summary>Takes a frame from the wire.</summary>
    public void OnWire(ReadOnlySpan<byte> frame, Instant now)
    {
        if (!EthernetHeader.TryParse(frame, out var header) || frame.Length > _frame.Length)
        {
            Counters.Count(SupplicantDrop.Length);
            return;
        }

        if (header.Source.IsGroup || header.Source.IsNone || header.Source == _own)
        {
            Counters.Count(SupplicantDrop.SourceAddress);
            return;
        }

        if (header.Destination != _own && !header.Destination.IsGroup)
        {
            Counters.Count(SupplicantDrop.DestinationAddress);
            return;
        }

        if (State is SupplicantState.Disconnected or SupplicantState.LoggedOff)
        {
            Counters.Count(SupplicantDrop.Disconnected);
            return;
        }

        switch (header.Type)
        {
            case MacsecType:
                TakeProtected(frame, now);
                break;
            case EtherType.Eapol:
                TakeEapol(header.Source, header.Payload, now);
                break;
            default:
                Counters.Count(SupplicantDrop.NotProtected);
                break;
        }
    }

    /// <summary>Does what is due.</summary>
    public void Advance(Instant now)
    {
        AdvanceLink(now);
        AdvancePae(now);
    }

    /// <summary>Zeroes all keys. Does not log off.</summary>
    public void Dispose()
    {
        ForgetAll();
        _peer.Dispose();
        State = SupplicantState.LoggedOff;
    }

    private void TakeEapol(MacAddress source, ReadOnlySpan<byte> pdu, Instant now)
    {
        if (!EapolFrame.TryParse(pdu, out var eapol) || eapol.Type is not (EapolType.Packet or EapolType.Key))
        {
            Counters.Count(SupplicantDrop.Eapol);
            return;
        }

        Counters.CountEapolReceived();
        _received++;
        if (eapol.Type == EapolType.Packet)
        {
            TakeEap(source, eapol.Body, now);
        }
        else
        {
            TakeKey(source, pdu, now);
        }
    }

    private void SendEapol(EapolType type, ReadOnlySpan<byte> body)
    {
        if (EapolFrame.TryWrite(_eapol.AsSpan(EthernetHeader.Length), EapolFrame.DefaultVersion, type, body, out var length))
        {
            SendPdu(length);
        }
    }

    // The PDU is in its place. Supplicants speak to the group address on a wire (IEEE 802.1X-2020 table 11-1).
    private void SendPdu(int length)
    {
        const int Shortest = 60;
        EthernetHeader.Write(_eapol, EapolFrame.GroupAddress, _own, EtherType.Eapol);
        var end = EthernetHeader.Length + length;
        if (end < Shortest)
        {
            _eapol.AsSpan(end, Shortest - end).Clear();
            end = Shortest;
        }

        Counters.CountEapolSent();
        _sent++;
        _output.Send(_eapol.AsSpan(0, end));
    }

    // What is told of is measured from here, unless something has begun before.
    private void Begin(Instant now, int received)
    {
        if (_began is null)
        {
            _began = now;
            _sent = 0;
            _received = received;
            _withEap = false;
        }
    }

    private SupplicantEvent Measured(SupplicantEventKind kind, MacAddress accessPoint, Instant now) => new(kind)
    {
        AccessPoint = accessPoint,
        Took = now - (_began ?? now),
        FramesSent = _sent,
        FramesReceived = _received,
        WithEap = _withEap,
    };
}
