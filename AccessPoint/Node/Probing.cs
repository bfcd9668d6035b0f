using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint;

/// <summary>
/// Whether another node is alive, for the coordinator: a lost session alone is not death. The question goes over the data path, where clients' packets go.
/// </summary>
public sealed partial class AccessPointNode
{
    private const int MaxProbes = 64;
    private const int ProbeTries = 3;
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromMilliseconds(50);

    private readonly Dictionary<ulong, ProbeUnderWay> _probes = [];

    private Instant NextProbeDeadline
    {
        get
        {
            var next = Instant.Never;
            foreach (var probe in _probes.Values)
            {
                next = Instant.Min(next, probe.Next);
            }

            return next;
        }
    }

    private void OnProbeNode(ProbeNode message, Instant now)
    {
        if (_probes.Count < MaxProbes && _probes.TryAdd(message.Id, new ProbeUnderWay(message, 1, now + ProbeInterval)))
        {
            SendPeer(message.Peer, new Probe(message.Token));
        }
    }

    private void OnProbe(PeerMessage message, in FlowTuple tuple)
    {
        if (message is Probe)
        {
            // Whoever has taken the address over answers for its mappings, not for its life.
            if (_model.Uplink.Addresses.Contains(tuple.Destination.Address))
            {
                SendPeer(tuple.Source, new Probed(message.Token));
            }

            return;
        }

        foreach (var (id, probe) in _probes)
        {
            if (probe.Message.Token == message.Token && probe.Message.Peer == tuple.Source)
            {
                EndProbe(id, alive: true);
                return;
            }
        }
    }

    private void AdvanceProbes(Instant now)
    {
        if (now < NextProbeDeadline)
        {
            return;
        }

        foreach (var (id, probe) in _probes.ToArray())
        {
            if (probe.Next > now)
            {
                continue;
            }

            if (probe.Tries >= ProbeTries)
            {
                EndProbe(id, alive: false);
                continue;
            }

            _probes[id] = probe with { Tries = probe.Tries + 1, Next = now + ProbeInterval };
            SendPeer(probe.Message.Peer, new Probe(probe.Message.Token));
        }
    }

    private void EndProbe(ulong id, bool alive)
    {
        _probes.Remove(id);
        _output.SendControl(new ProbeResult { Id = id, Alive = alive });
    }

    private sealed record ProbeUnderWay(ProbeNode Message, int Tries, Instant Next);
}
