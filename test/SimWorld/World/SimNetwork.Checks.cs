using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;

namespace Masquerade.SimWorld.World;

/// <summary>What must hold at every step, whatever the links and processes do.</summary>
internal sealed partial class SimNetwork
{
    private readonly Dictionary<MacAddress, Epoch> _epochs = [];
    private readonly Dictionary<MappingId, (Flow Flow, Instant At)> _owners = [];

    /// <summary>Every packet on a link has right checksums.</summary>
    private void CheckChecksums(string who, byte[] frame)
    {
        var type = (frame[12] << 8) | frame[13];
        if (type is 0x0800 or 0x86DD && !WireFormat.AreChecksumsRight(frame.AsSpan(14)))
        {
            throw Fail($"{who} sends a packet with a wrong checksum");
        }
    }

    /// <summary>Epochs never go back.</summary>
    private void CheckEpoch(ClientMoved moved)
    {
        if (_epochs.TryGetValue(moved.Client, out var before) && moved.Epoch <= before)
        {
            throw Fail($"{moved.Client} moves in epoch {moved.Epoch} after {before}");
        }

        _epochs[moved.Client] = moved.Epoch;
    }

    /// <summary>No cross-talk, and one masquerade endpoint for a connection's whole life, which nobody else has.</summary>
    private void CheckAtServer(Flow flow, TransportProtocol protocol, TransportEndpoint source, TransportEndpoint to, bool down, uint sequence)
    {
        if (down || protocol != flow.Protocol || to != flow.Server)
        {
            throw Fail($"{flow}: the server at {to} gets a packet that is not for it");
        }

        if (source.Address == flow.Local.Address)
        {
            throw Fail($"{flow}: the server sees the client's own address");
        }

        if (flow.Seen != source)
        {
            if (!flow.Seen.IsNone && !AnchorWasLost(flow))
            {
                throw Fail($"{flow}: the server suddenly sees {source}");
            }

            flow.Seen = source;
        }

        var id = new MappingId(protocol, source);
        if (_owners.TryGetValue(id, out var owner) && owner.Flow.Local != flow.Local && !OwnerRestartedSince(source.Address, owner.At) && Now - owner.At < TimeSpan.FromMinutes(2))
        {
            throw Fail($"{id} is used by {owner.Flow} and by {flow}");
        }

        _owners[id] = (flow, Now);
        flow.ReceivedUp++;
        Note(flow, flow.SeenUp, sequence, flow.LastUp);
        flow.LastUp = Math.Max(flow.LastUp, sequence);
    }

    private void CheckAtClient(SimClient client, Flow flow, TransportProtocol protocol, TransportEndpoint source, TransportEndpoint to, bool down, uint sequence)
    {
        if (!down || flow.Client != client || protocol != flow.Protocol || source != flow.Server || to != flow.Local)
        {
            throw Fail($"{flow}: client c{client.Index + 1} gets {source} > {to}, which is not for it");
        }

        flow.ReceivedDown++;
        Note(flow, flow.SeenDown, sequence, flow.LastDown);
        flow.LastDown = Math.Max(flow.LastDown, sequence);
    }

    private static void Note(Flow flow, HashSet<uint> seen, uint sequence, uint last)
    {
        if (!seen.Add(sequence))
        {
            flow.Duplicated++;
        }
        else if (sequence < last)
        {
            flow.Reordered++;
        }
    }

    /// <summary>
    /// A connection may change its face only when its anchor has lost its tables, or when two access points had to act on their own because the coordinator was out of
    /// reach. UDP and ICMP go on with the new one; TCP is dead then.
    /// </summary>
    private bool AnchorWasLost(Flow flow)
    {
        var lost = Settings.Crashes || Settings.CoordinatorRestarts || Settings.Partitions || Settings.ControlLoss > 0;
        if (lost && flow.Protocol == TransportProtocol.Tcp)
        {
            flow.Dead = true;
        }

        return lost;
    }

    private bool OwnerRestartedSince(IpAddress address, Instant at) => AccessPoints.Exists(ap => ap.Owns(address) && ap.StartedAt > at);

    /// <summary>No packet leaves a node that did not enter it.</summary>
    public void CheckLedger(SimAccessPoint ap)
    {
        if (ap.Ledger.Held(ap.Node.Drops) < 0)
        {
            throw Fail($"{ap.Name} has made packets of nothing: {ap.Ledger.Describe(ap.Node.Drops)}");
        }
    }

    private void CheckEveryStep()
    {
        if ((Steps & 1_023) != 0)
        {
            return;
        }

        foreach (var ap in AccessPoints)
        {
            if (ap.Node.Fam.ConnectionCount < ap.Node.Fam.MappingCount)
            {
                throw Fail($"{ap.Name} has {ap.Node.Fam.MappingCount} mappings with only {ap.Node.Fam.ConnectionCount} connections: one would never end");
            }
        }
    }
}
