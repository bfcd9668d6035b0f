using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Peer;
using Masquerade.Client.Tls;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Lab.FreeRadius;

namespace Masquerade.Bench.Users;

/// <summary>Clients that authenticate one after the other, some at a time: EAP-TTLS with MS-CHAP-V2, a whole TLS handshake each time. Both ends must have made a key at the end of each.</summary>
internal sealed class EapLoad : IDisposable
{
    private const int MskLength = 64;

    private readonly OpenSslClient _tls;
    private readonly TunnelCredentials _credentials;
    private readonly Slot[] _slots;
    private uint _clients;
    private bool _isOver;

    /// <param name="radius">The server that knows the user.</param>
    /// <param name="user">The user.</param>
    /// <param name="password">His password.</param>
    /// <param name="inFlight">Authentications at a time.</param>
    public EapLoad(FreeRadiusProcess radius, string user, string password, int inFlight)
    {
        _tls = new OpenSslClient(new OpenSslOptions { AuthorityFile = Path.Combine(radius.Directory, "ca.pem"), ServerName = FreeRadiusProcess.ServerName, Resumes = false });
        _credentials = new TunnelCredentials(TunnelMethod.MsChapV2, user, Encoding.UTF8.GetBytes(password));
        var config = new EapPeerConfig { Method = EapType.Ttls, Identity = user, Tunnel = _credentials };
        _slots = [.. Enumerable.Range(0, inFlight).Select(_ => new Slot(new EapPeer(config, _tls.Create, RandomNumberGenerator.Fill)))];
    }

    /// <summary>Authentications that ended with a key, since the load was made.</summary>
    public long Good { get; private set; }

    /// <summary>Answers.</summary>
    public long Rounds { get; private set; }

    /// <summary>Authenticates for a while, and returns how many were made a second.</summary>
    public double Run(IEapPath path, double seconds)
    {
        var before = Good;
        var began = Stopwatch.GetTimestamp();
        _isOver = false;
        foreach (var slot in _slots)
        {
            Begin(path, slot);
        }

        path.RunUntil(() => Stopwatch.GetElapsedTime(began).TotalSeconds >= seconds);
        var rate = (Good - before) / Stopwatch.GetElapsedTime(began).TotalSeconds;
        _isOver = true;
        path.RunUntil(() => Array.TrueForAll(_slots, s => !s.IsBusy));
        return rate;
    }

    public void Dispose()
    {
        Array.ForEach(_slots, s => s.Peer.Dispose());
        _credentials.Dispose();
        _tls.Dispose();
    }

    private void Begin(IEapPath path, Slot slot)
    {
        slot.Peer.Restart();
        slot.Client = new MacAddress(0x0200_0000_0000UL + ++_clients);
        slot.IsBusy = true;
        Take(path, slot, [(byte)EapCode.Request, 1, 0, 5, (byte)EapType.Identity]);
    }

    private void Take(IEapPath path, Slot slot, ReadOnlySpan<byte> eap)
    {
        switch (slot.Peer.Receive(eap))
        {
            case EapPeerVerdict.Respond:
                path.Say(slot.Client, slot.Client.Value, slot.Peer.Response, (outcome, answer) => Hear(path, slot, outcome, answer));
                break;
            case EapPeerVerdict.Succeeded:
                Span<byte> msk = stackalloc byte[MskLength];
                if (!slot.Peer.TryTakeMsk(msk))
                {
                    throw new BenchException("an authentication made no key");
                }

                Good++;
                slot.IsBusy = false;
                if (!_isOver)
                {
                    Begin(path, slot);
                }

                break;
            default:
                throw new BenchException($"an authentication failed: {slot.Peer.Failure} {slot.Peer.Detail} {slot.Peer.LastDrop}");
        }
    }

    private void Hear(IEapPath path, Slot slot, EapOutcome outcome, ReadOnlySpan<byte> eap)
    {
        Rounds++;
        if (outcome is not (EapOutcome.Continue or EapOutcome.Accept))
        {
            throw new BenchException($"the server says {outcome}");
        }

        Take(path, slot, eap);
    }

    private sealed class Slot(EapPeer peer)
    {
        public EapPeer Peer { get; } = peer;

        public MacAddress Client { get; set; }

        public bool IsBusy { get; set; }
    }
}
