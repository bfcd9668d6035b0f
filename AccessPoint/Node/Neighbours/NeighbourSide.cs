using System.Buffers;
using Masquerade.AccessPoint.Link;
using Masquerade.AccessPoint.Neighbours;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.AccessPoint;

/// <summary>What belongs to neighbours and to nothing else of the node, and what the FAM engine asks of them.</summary>
public sealed partial class AccessPointNode
{
    /// <summary>What a node has of its clients' neighbours, and how the FAM engine reaches it.</summary>
    private sealed class NeighbourSide : INeighbourhood
    {
        private readonly AccessPointNode _node;
        private readonly SeededRandom _random;
        private readonly uint _tagSeed;

        public NeighbourSide(AccessPointNode node, SeededRandom random)
        {
            _node = node;
            var config = node._model.Neighbourhood;
            IsIsolated = config.Isolate;
            Places = new Whereabouts(config.MaxLocations, (uint)random.NextUInt64());
            Flows = new NeighbourFlows(config.MaxFlows, config.MaxFlowsPerClient, (uint)random.NextUInt64());
            _random = random;
            DrawKey();
            _tagSeed = (uint)random.NextUInt64();
        }

        public bool IsIsolated { get; }

        public Whereabouts Places { get; }

        public NeighbourFlows Flows { get; }

        /// <summary>What other nodes must show here.</summary>
        public ulong Key { get; private set; }

        /// <summary>Packets of clients here, until it is known where their receivers are.</summary>
        public HoldQueue Seeking { get; } = new(maxPackets: 256, maxBytes: 512 * 1024);

        /// <summary>Packets from other nodes, until it is known whether their senders are there.</summary>
        public HoldQueue Doubted { get; } = new(maxPackets: 256, maxBytes: 512 * 1024);

        public Instant HeldUntil { get; set; } = Instant.Never;

        /// <summary>How long the packet that is being looked at again may wait in all.</summary>
        public Instant DoubtedUntil { get; set; } = Instant.Never;

        /// <summary>Where clients were before they came here, and until when that node may send on what it had for them.</summary>
        public Dictionary<MacAddress, (IReadOnlyList<TransportEndpoint> Peers, Instant Until)> Previous { get; } = [];

        /// <summary>Addresses that clients here use and that are other clients'.</summary>
        public HashSet<(MacAddress Client, IpAddress Address)> Refused { get; } = [];

        /// <summary>Addresses that the coordinator has confirmed to be those of clients here.</summary>
        public Dictionary<IpAddress, MacAddress> Confirmed { get; } = [];

        /// <summary>Since when the coordinator is there.</summary>
        public Instant UpSince { get; set; }

        /// <summary>When those are forgotten that have gone.</summary>
        public Instant SweepAt { get; set; } = Instant.Never;

        /// <summary>When the coordinator is told again of addresses that it has refused.</summary>
        public Instant RetryAt { get; set; } = Instant.Never;

        /// <summary>When news that could not be said are tried again.</summary>
        public Instant NewsAt { get; set; }

        public byte[] Datagram { get; } = new byte[Ipv6Header.Length + UdpHeader.HeaderLength + NeighbourCodec.MaxLength];

        public bool Covers(IpAddress source, IpAddress destination) => IsIn(destination) && IsIn(source) && !_node._clientLink.IsGateway(destination) && !_node._clientLink.IsGateway(source)
            && !_node._uplinkLink.IsOwn(destination);

        /// <summary>What a client's waiting packets are known by.</summary>
        public int TagOf(MacAddress client) => (int)FlowHash.Of(client, _tagSeed) | 1;

        public void DrawKey() => Key = _random.NextUInt64();

        public bool IsIn(IpAddress address) => _node._clientLink.IsHost(address);

        public bool IsNobodys(IpAddress destination) => _node._clientLink.IsNobodys(destination);

        public void Forward(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload, MacAddress from)
        {
            var (buffer, length) = CopyToFrame(packet);
            _node.TakeFromClient(buffer.AsSpan(0, length), summary, offload, from, Instant.Never);
            ArrayPool<byte>.Shared.Return(buffer);
        }

        public void Ask(MacAddress client, IReadOnlyList<IpAddress> addresses)
        {
            // One address of each family will do: an answer from any of them shows that it is here.
            foreach (var isIPv4 in (ReadOnlySpan<bool>)[true, false])
            {
                for (var i = 0; i < addresses.Count; i++)
                {
                    if (addresses[i].IsIPv4 == isIPv4)
                    {
                        _node._clientLink.Ask(client, addresses[i]);
                        break;
                    }
                }
            }
        }

        public bool TryDeliver(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload, out Verdict verdict)
        {
            verdict = Verdict.Consumed;
            var destination = UplinkLink.DestinationOf(packet);
            var (buffer, length) = CopyToFrame(packet);
            var isTaken = true;
            if (_node._uplinkLink.IsOwn(destination))
            {
                isTaken = _node.TryTakeNeighbour(buffer.AsSpan(0, length), summary, offload, out verdict);
            }
            else if (Covers(UplinkLink.SourceOf(packet), destination))
            {
                _node.Fam.FindNeighbour(UplinkLink.SourceOf(packet), out var from);
                verdict = _node.SendToNeighbour(buffer.AsSpan(0, length), summary, offload, from, Instant.Never);
            }
            else
            {
                isTaken = false;
            }

            ArrayPool<byte>.Shared.Return(buffer);
            if (verdict.Kind == VerdictKind.ForwardNeighbour)
            {
                // It is on its way, and whoever has asked must not send it once more.
                verdict = Verdict.Consumed;
            }

            return isTaken;
        }
    }
}
