using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Fam;
using Masquerade.RoamingCoordinator;

namespace Masquerade.SimWorld.World;

/// <summary>What must hold at every step, whatever the links and processes do.</summary>
internal sealed partial class SimNetwork
{
    private readonly Dictionary<MacAddress, Epoch> _epochs = [];
    private readonly Dictionary<MappingId, (Flow Flow, Instant At)> _owners = [];
    private readonly Dictionary<MappingId, (SimAccessPoint By, Instant First, Instant At)> _anchored = [];
    private Instant _storeLostAt = new(long.MinValue / 2);
    private Instant _storeTroubleAt = new(long.MinValue / 2);

    /// <summary>How long after the last trouble on a control channel something may still be repeated: the longest interval of an outbox, twice.</summary>
    private static readonly TimeSpan ControlRecovery = TimeSpan.FromSeconds(4);

    /// <summary>For the first time, or again by a node that had lost its tables.</summary>
    public void NoteAnchored(SimAccessPoint by, MappingId mapping) => _anchored[mapping] = (by, _anchored.TryGetValue(mapping, out var before) ? before.First : Now, Now);

    /// <summary>Every packet on a link has right checksums.</summary>
    private void CheckChecksums(string who, byte[] frame)
    {
        var type = (frame[12] << 8) | frame[13];
        if (type is 0x0800 or 0x86DD && !(FragmentFormat.IsOne(frame.AsSpan(14)) ? WireFormat.IsHeaderRight(frame.AsSpan(14)) : WireFormat.AreChecksumsRight(frame.AsSpan(14))))
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
    private void CheckAtServer(Flow flow, in FlowPacket read)
    {
        var (protocol, source) = (read.Protocol, read.Source);
        if (read.Down || protocol != flow.Protocol || read.To != flow.ServerItself)
        {
            throw Fail($"{flow}: the server at {read.To} gets a packet that is not for it");
        }

        if (source.Address == flow.Local.Address)
        {
            throw Fail($"{flow}: the server sees the client's own address");
        }

        if (!flow.Seen.IsNone && flow.Seen != source)
        {
            CheckNewFace(flow, source, (read.Segment.Flags & WireFormat.Syn) != 0);
        }

        flow.Faces.Add(source);
        var id = IdOf(flow, source);
        if (_owners.TryGetValue(id, out var owner) && owner.Flow.Local != flow.Local && !OwnerRestartedSince(source.Address, owner.At) && Now - owner.At < TimeSpan.FromMinutes(2))
        {
            throw Fail($"{id} is used by {owner.Flow} and by {flow}");
        }

        _owners[id] = (flow, Now);
        if (protocol == TransportProtocol.Tcp)
        {
            return;
        }

        flow.Seen = source;
        flow.ReceivedUp++;
        Note(flow, flow.SeenUp, read.Message, flow.LastUp);
        flow.LastUp = Math.Max(flow.LastUp, read.Message);
    }

    private void CheckAtClient(SimClient client, Flow flow, in FlowPacket read)
    {
        if (flow.Target is { } target && read.Down && flow.Client == client && read.Source != flow.Server)
        {
            // The other client may have got another face; then it is not who was spoken to, and what it says is not taken.
            CheckNewFace(target, read.Source, isSyn: false);
            return;
        }

        if (!read.Down || flow.Client != client || read.Protocol != flow.Protocol || read.Source != flow.Server || read.To != flow.Local)
        {
            throw Fail($"{flow}: client c{client.Index + 1} gets {read.Source} > {read.To}, which is not for it");
        }

        if (read.Protocol != TransportProtocol.Tcp)
        {
            flow.ReceivedDown++;
            Note(flow, flow.SeenDown, read.Message, flow.LastDown);
            flow.LastDown = Math.Max(flow.LastDown, read.Message);
        }
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

    /// <summary>What a TCP end takes in is what the other end has written.</summary>
    private void CheckStream(Flow flow, uint expected, uint message)
    {
        if (message != expected)
        {
            throw Fail($"{flow}: message {message} comes where {expected} is due");
        }
    }

    /// <summary>A TCP connection is reset only by its ends, or when its HAM has lost its tables.</summary>
    private void CheckReset(Flow flow)
    {
        if (flow.ClientEnd is not { IsReset: true } || flow.Aborted)
        {
            return;
        }

        if (!IsDead(flow))
        {
            throw Fail($"{flow}: the client is reset, though nobody has reset it and no anchor was lost; the server has seen {string.Join(", ", flow.Faces)}");
        }

        // It stays so, also when the node that had lost the anchor is given it back.
        flow.Aborted = true;
    }

    /// <summary>Whether the HAM of a masquerade endpoint has lost its tables since it was anchored.</summary>
    public bool AnchorWasLost(Flow flow, TransportEndpoint masquerade) => AnchorWasLost(IdOf(flow, masquerade));

    /// <summary>The mapping by which a flow has a masquerade endpoint: the one for its server, if there has been one.</summary>
    private MappingId IdOf(Flow flow, TransportEndpoint masquerade)
    {
        var id = new MappingId(flow.Protocol, masquerade, flow.Server);
        return _anchored.ContainsKey(id) ? id : id with { Server = default };
    }

    private bool AnchorWasLost(MappingId mapping) =>
        _anchored.TryGetValue(mapping, out var anchoring) && (anchoring.By.StartedAt > anchoring.At || anchoring.By.IsDead);

    /// <summary>
    /// A TCP connection cannot come back from the loss of its anchor, nor from being anchored twice before it opened; and who talks to a masquerade endpoint that is gone is heard by
    /// nobody. Nothing else may end a flow.
    /// </summary>
    public bool IsDead(Flow flow) => flow.Target is { } target
        ? target.Seen != flow.Server || AnchorWasLost(target, flow.Server) || HasTwoFaces(target)
        : flow.Protocol == TransportProtocol.Tcp
        && (flow.OpenedTwice || (flow.Seen.IsNone ? flow.ClientEnd!.IsOpen && flow.Faces.Any(f => AnchorWasLost(flow, f)) : AnchorWasLost(flow, flow.Seen)));

    /// <summary>
    /// UDP and ICMP may be seen anew when their anchor was lost, or when an access point had to act on what it had: it or one that anchored or served the client before
    /// was out of the coordinator's reach, or the coordinator lost its store, or messages between them got lost. TCP may not: an access point that does not know a connection
    /// does not open it but by a SYN, so what goes on goes on with the endpoint that it has.
    /// </summary>
    private void CheckNewFace(Flow flow, TransportEndpoint source, bool isSyn)
    {
        if (AnchorWasLost(flow, flow.Seen) || (flow.Protocol != TransportProtocol.Tcp && (flow.Faces.Contains(source) || HadToActAlone(flow, source))))
        {
            return;
        }

        if (flow.Protocol == TransportProtocol.Tcp && (Settings.Anchoring != AnchorPolicy.Here || Settings.Links != ClientLinks.One) && (isSyn || flow.Faces.Contains(source) || HadToActAlone(flow, source)))
        {
            // It has waited for the coordinator's answer at the access point before this one, or at a further one, and comes out after the client has repeated it elsewhere and was answered.
            flow.OpenedTwice |= !isSyn;
            return;
        }

        if (flow.Protocol == TransportProtocol.Tcp && WasAnchoredBy(flow, source, flow.OpenedAt) && (isSyn || HadToActAlone(flow, source)))
        {
            // A SYN is new in any case. Repeated where the coordinator was silent it has been anchored twice, and nobody could tell either access point which one was answered.
            flow.OpenedTwice |= !isSyn;
            return;
        }

        throw Fail($"{flow}: the server suddenly sees {source}");
    }

    /// <summary>After a loss a client endpoint may have been anchored twice. It answers a stranger by the newer one then, whichever it was spoken to at.</summary>
    private bool HasTwoFaces(Flow flow) => RecordOf(flow.Client.Mac)?.Mappings.Values.Count(e => e.Record.ClientEndpoint == flow.Local && e.Record.Mapping.Protocol == flow.Protocol) != 1;

    private bool WasAnchoredBy(Flow flow, TransportEndpoint masquerade, Instant when) =>
        _anchored.TryGetValue(IdOf(flow, masquerade), out var anchoring) && anchoring.First <= when;

    private bool HadToActAlone(Flow flow, TransportEndpoint source)
    {
        if (!_anchored.TryGetValue(IdOf(flow, source), out var anchoring) || !_anchored.TryGetValue(IdOf(flow, flow.Seen), out var before))
        {
            // Established by the coordinator, and its HAM crashed before it had heard of it: it was given it back, and knew another one by then. Or its HAM never heard of it, because
            // the answer came when the client was elsewhere, where nobody could be asked.
            return ((Settings.Crashes || Settings.PowerCycles || Settings.Deaths) && OwnerRestartedSince(source.Address, flow.OpenedAt))
                || (Settings.Anchoring != AnchorPolicy.Here && HadTrouble(ap => flow.Client.Visited.Contains(ap.Index), flow.OpenedAt - ControlRecovery));
        }

        // Repetitions are up to two seconds apart, so the trouble may be over and its consequences not.
        return HadTrouble(ap => ap == anchoring.By || ap == before.By || flow.Client.Visited.Contains(ap.Index), anchoring.At - ControlRecovery);
    }

    private bool HadTrouble(Func<SimAccessPoint, bool> isConcerned, Instant since) =>
        AccessPoints.Exists(ap => isConcerned(ap) && ap.ControlTroubleAt >= since) || _storeLostAt >= since || _storeTroubleAt >= since || Redis?.TroubleAt >= since;

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
        if ((Steps & 15) != 0)
        {
            return;
        }

        foreach (var ap in AccessPoints.Where(a => !a.IsDead))
        {
            CheckBounds(ap);
        }

        if ((Steps & 511) != 0)
        {
            return;
        }

        foreach (var ap in AccessPoints.Where(a => !a.IsDead))
        {
            CheckNodeEpochs(ap);
        }

        foreach (var node in Coordinators.Where(c => !c.IsDead).SelectMany(c => c.Core.Nodes.Nodes))
        {
            if (node.PushesWaiting > new CoordinatorOptions().MaxPushesPerNode)
            {
                throw Fail($"{node.PushesWaiting} pushes wait for {node.Id}");
            }
        }
    }

    /// <summary>Endpoints that had several mappings at a time, counted again whenever it was looked.</summary>
    public int SharedSeen { get; private set; }

    private void NoteSharing(SimAccessPoint ap)
    {
        foreach (var endpoint in ap.Node.Ham.Describe(int.MaxValue).GroupBy(m => (m.Mapping.Protocol, m.Mapping.Masquerade)).Where(g => g.Count() > 1))
        {
            SharedSeen++;
            if (endpoint.Any(m => !m.Mapping.IsOfServer))
            {
                throw Fail($"{ap.Name} has {endpoint.Key} for all servers and for one: {string.Join(", ", endpoint)}");
            }
        }
    }

    /// <summary>What the books say must wait does wait, and no table or queue is above its bound.</summary>
    private void CheckBounds(SimAccessPoint ap)
    {
        var (fam, ham) = (ap.Node.Fam, ap.Node.Ham);
        var held = fam.HeldPackets + ham.HeldPackets + ap.Node.WaitingFragments + ap.Node.WaitingRequests;
        if (ap.Ledger.Held(ap.Node.Drops) != held)
        {
            throw Fail($"{ap.Name} holds {held} packets, by the books it is another number: {ap.Ledger.Describe(ap.Node.Drops)}");
        }

        if (fam.ClientCount > Limits.Fam.MaxClients || fam.MappingCount > Limits.Fam.MaxMappings || fam.ConnectionCount > Limits.Fam.MaxConnections
            || fam.UnsaidCount > Limits.Fam.MaxClients || ham.MappingCount > Limits.Ham.MaxMappings
            || fam.HeldPackets > Limits.Fam.MaxHolds * Limits.Fam.HoldPackets || ham.HeldPackets > Limits.Ham.MaxDrains * Limits.Ham.DrainPackets)
        {
            throw Fail($"{ap.Name} has {fam.ClientCount} clients, {fam.MappingCount} mappings, {fam.ConnectionCount} connections, {ham.MappingCount} mappings as HAM, {held} packets");
        }

        if (fam.ConnectionCount < fam.MappingCount - fam.ExplicitCount - fam.ExpectedCount)
        {
            throw Fail($"{ap.Name} has {fam.MappingCount} mappings with only {fam.ConnectionCount} connections: one would never end");
        }
    }

    /// <summary>Within one life of a node, the epoch of a client at its FAM and of a mapping at its HAM never goes back, and it anchors at its own addresses only.</summary>
    private void CheckNodeEpochs(SimAccessPoint ap)
    {
        foreach (var view in ap.Node.Fam.DescribeClients(int.MaxValue))
        {
            var before = ap.ClientEpochs.GetValueOrDefault(view.Client);
            if (view.Epoch != Epoch.None && view.Epoch < before)
            {
                throw Fail($"{ap.Name} takes {view.Client} from epoch {before} back to {view.Epoch}");
            }

            ap.ClientEpochs[view.Client] = view.Epoch > before ? view.Epoch : before;
            if (string.Equals(view.State, "Serving", StringComparison.Ordinal))
            {
                NoteFam(view.Client, view.Epoch, new NodeId(ap.Name), $"{ap.Name} serves it");
            }
        }

        foreach (var view in ap.Node.Ham.Describe(int.MaxValue))
        {
            var before = ap.MappingEpochs.GetValueOrDefault((view.Mapping, view.Client));
            if (view.Epoch < before || !ap.Owns(view.Mapping.Masquerade.Address))
            {
                throw Fail($"{ap.Name} has {view}, its epoch was {before}");
            }

            ap.MappingEpochs[(view.Mapping, view.Client)] = view.Epoch;
        }

        if (Settings.Mapping != MappingPolicy.EndpointIndependent)
        {
            NoteSharing(ap);
        }
    }
}
