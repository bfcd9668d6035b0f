using System.Buffers.Binary;
using System.Security.Cryptography;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Peer.Tunnel;

namespace Masquerade.Auth.Peer;

/// <summary>
/// EAP-TLS (RFC 5216, RFC 9190) and EAP-TTLS (RFC 5281, RFC 9427) from the client's side: one conversation, from the server's start to the keys. It is given a request's data, flags first, and
/// writes the response's.
/// </summary>
internal sealed class TlsMethod : IDisposable
{
    private const int MskLength = SessionKey.MskLength;
    private const int PlainRoom = 16_384;

    private readonly EapPeerConfig _config;
    private readonly ITlsEngine _tls;
    private readonly TunnelClient? _tunnel;
    private readonly TlsReassembly _incoming;
    private SecretBytes? _msk;
    private bool _begun;
    private int _left;

    public TlsMethod(EapPeerConfig config, ITlsEngine tls, FillRandom random)
    {
        _config = config;
        _tls = tls;
        _tunnel = config.Method == EapType.Ttls ? new TunnelClient(config.Tunnel!, random) : null;
        _incoming = new TlsReassembly(config.MaxMessage);
    }

    public PeerMethodState State { get; private set; }

    public PeerDecision Decision { get; private set; }

    public EapPeerFailure Failure { get; private set; }

    public string Detail => _tls.Detail;

    public bool IsResumed => _tls.IsResumed;

    /// <summary>Takes a request.</summary>
    /// <param name="data">Its data, from the flags on.</param>
    /// <param name="response">At least 5 octets more than the fragment size.</param>
    /// <param name="written">Octets of the response's data, if it is not dropped.</param>
    public EapPeerDrop Take(ReadOnlySpan<byte> data, Span<byte> response, out int written)
    {
        written = 0;
        var isStart = !data.IsEmpty && (data[0] & TlsReassembly.Start) != 0;
        if (isStart == _begun)
        {
            return EapPeerDrop.NoStart;
        }

        if (isStart)
        {
            _begun = true;
            _tls.Begin();
            Look();
            written = WriteNext(response);
            return EapPeerDrop.None;
        }

        if (_left > 0)
        {
            // Only an empty packet without flags acknowledges a fragment.
            if (data.Length != 1 || (data[0] & (TlsReassembly.HasLength | TlsReassembly.More)) != 0)
            {
                return EapPeerDrop.NoAcknowledgement;
            }

            written = WriteNext(response);
            return EapPeerDrop.None;
        }

        var drop = _incoming.Take(data, out var isWhole, out var message);
        if (drop != EapPeerDrop.None)
        {
            return drop;
        }

        if (!isWhole)
        {
            response[0] = 0;
            written = 1;
            return EapPeerDrop.None;
        }

        if (State != PeerMethodState.Done)
        {
            _tls.Receive(message);
            _incoming.Clear();
            Look();
            Converse();
        }

        written = WriteNext(response);
        return EapPeerDrop.None;
    }

    /// <summary>The MSK is the caller's from now on; null if there is none.</summary>
    public SecretBytes? TakeMsk()
    {
        var msk = _msk;
        _msk = null;
        return msk;
    }

    /// <summary>How it ended, so that the TLS session is kept or forgotten.</summary>
    public void Conclude(bool isGood) => _tls.Conclude(isGood);

    public void Dispose()
    {
        _msk?.Dispose();
        _msk = null;
        _incoming.Clear();
        _tunnel?.Dispose();
        _tls.Dispose();
    }

    // What the handshake has come to.
    private void Look()
    {
        if (_tls.State == TlsEngineState.Failed)
        {
            Fail(_tls.Failure == EapPeerFailure.None ? EapPeerFailure.Tls : _tls.Failure);
        }
        else if (_tls.State == TlsEngineState.Established && _msk is null && State == PeerMethodState.Continue && !TryMakeMsk())
        {
            Fail(EapPeerFailure.Tls);
        }
        else if (_msk is not null && State == PeerMethodState.Continue && (_tunnel is null ? !_tls.IsTls13 : _tls.IsResumed))
        {
            // TLS 1.2 has no word of the server's after the handshake; a resumed tunnel needs none. With TLS 1.3 the protected success indication is waited for (RFC 9190 section 2.1.1).
            State = PeerMethodState.MayContinue;
            Decision = PeerDecision.ConditionalSuccess;
        }
    }

    // What goes through the tunnel.
    private void Converse()
    {
        if (_msk is null || State == PeerMethodState.Done)
        {
            return;
        }

        var plain = new byte[PlainRoom];
        try
        {
            int length;
            while (State != PeerMethodState.Done && (length = _tls.Read(plain)) > 0)
            {
                Hear(plain.AsSpan(0, length));
                CryptographicOperations.ZeroMemory(plain);
            }

            // Reading may have met the end of the session.
            Look();
            if (_tunnel is { HasSpoken: false } && State != PeerMethodState.Done && _tls.Pending == 0)
            {
                var spoken = _tunnel.Speak(_tls, plain);
                if (spoken == 0 || !_tls.Write(plain.AsSpan(0, spoken)))
                {
                    Fail(EapPeerFailure.Tunnel);
                    return;
                }

                State = PeerMethodState.MayContinue;
                Decision = _tunnel.IsContent ? PeerDecision.ConditionalSuccess : PeerDecision.Fail;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private void Hear(ReadOnlySpan<byte> plain)
    {
        if (_tls.IsTls13 && plain is [0])
        {
            // The protected success indication; for tunnels RFC 9427 section 3 has it after a resumption.
            if (_tunnel is null || (_tunnel.HasSpoken ? _tunnel.IsContent : _tls.IsResumed))
            {
                State = PeerMethodState.Done;
                Decision = PeerDecision.UnconditionalSuccess;
                return;
            }

            Fail(EapPeerFailure.ServerNotProven);
        }
        else if (_tunnel is null)
        {
            Fail(EapPeerFailure.Tls);
        }
        else if (!_tunnel.Hear(plain))
        {
            Fail(_tunnel.Failure);
        }
        else if (_config.Tunnel!.Method == TunnelMethod.MsChapV2 && _tunnel.IsContent)
        {
            State = PeerMethodState.Done;
            Decision = PeerDecision.UnconditionalSuccess;
        }
    }

    private bool TryMakeMsk()
    {
        // MSK and EMSK are one piece; how long it is goes into what TLS 1.3 exports (RFC 9190 section 2.3).
        Span<byte> material = stackalloc byte[2 * MskLength];
        var key = material[..MskLength];
        ReadOnlySpan<byte> type = [(byte)_config.Method];
        var good = _tls.IsTls13
            ? _tls.TryExport("EXPORTER_EAP_TLS_Key_Material", type, material)
            : _tls.TryExport(_tunnel is null ? "client EAP encryption" : "ttls keying material", default, material);
        good = good && SecretBytes.IsKey(key, MskLength);
        if (good)
        {
            _msk = new SecretBytes(key);
        }

        CryptographicOperations.ZeroMemory(material);
        return good;
    }

    private void Fail(EapPeerFailure failure)
    {
        _msk?.Dispose();
        _msk = null;
        Failure = failure;
        State = PeerMethodState.Done;
        Decision = PeerDecision.Fail;
    }

    // Flags, the whole's length in the first of several, and as much as fits (RFC 5216 section 3.2). The version bits of TTLS stay 0.
    private int WriteNext(Span<byte> response)
    {
        var isFirst = _left == 0;
        if (isFirst)
        {
            _left = _tls.Pending;
        }

        var length = Math.Min(_left, _config.FragmentSize);
        var at = 1;
        response[0] = 0;
        if (length < _left)
        {
            response[0] = TlsReassembly.More;
            if (isFirst)
            {
                response[0] |= TlsReassembly.HasLength;
                BinaryPrimitives.WriteUInt32BigEndian(response[1..], (uint)_left);
                at += TlsReassembly.LengthField;
            }
        }

        length = _tls.Drain(response.Slice(at, length));
        _left -= length;
        return at + length;
    }
}
