using Masquerade.AccessPoint;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.SimWorld.Checkers;

namespace Masquerade.SimWorld.World;

/// <summary>An access point: the product's own node behind simulated devices.</summary>
internal sealed class SimAccessPoint(SimNetwork network, int index) : INodeOutput
{
    private Instant _wake = Instant.Never;
    private int _life;
    private Instant _controlTroubleAt = new(long.MinValue / 2);

    public string Name { get; } = $"ap{index + 1}";

    public int Index { get; } = index;

    public AccessPointNode Node { get; private set; } = null!;

    public MacAddress UplinkMac { get; private set; }

    /// <summary>The control session; 0 while there is none.</summary>
    public ulong Session { get; set; }

    /// <summary>Who has its session, or had the last one.</summary>
    public SimCoordinator? Coordinator { get; set; }

    /// <summary>The coordinator that it tries next; agents spread by beginning anywhere.</summary>
    public int NextCoordinator { get; set; } = index;

    /// <summary>It looks for a coordinator.</summary>
    public bool IsDialing { get; set; }

    /// <summary>When it last had no session, or a message to or from it got lost.</summary>
    public Instant ControlTroubleAt => Session == 0 ? network.Now : _controlTroubleAt;

    public void NoteControlTrouble() => _controlTroubleAt = network.Now;

    /// <summary>When its tables were last lost.</summary>
    public Instant StartedAt { get; private set; }

    /// <summary>The highest epochs that were seen in this life.</summary>
    public Dictionary<MacAddress, Epoch> ClientEpochs { get; } = [];

    public Dictionary<(MappingId Mapping, MacAddress Client), Epoch> MappingEpochs { get; } = [];

    /// <summary>What it has told of blocks of ports.</summary>
    public BlockWatch Blocks { get; } = new();

    /// <summary>The packets of this life.</summary>
    public PacketLedger Ledger { get; private set; } = new(() => 0);

    /// <summary>Everything this node has told the coordinator and its operators, for scenarios that count; null while nobody does.</summary>
    public List<(Instant At, object What)>? Heard { get; set; }

    public bool Owns(IpAddress address) => !IsDead && Node.HeldAddresses.Contains(address);

    /// <summary>Its process is gone: nothing comes from it and nothing reaches it.</summary>
    public bool IsDead { get; private set; }

    /// <summary>It falls silent. Its tables are lost.</summary>
    public void Kill()
    {
        _life++;
        IsDead = true;
    }

    public void Start(AccessPointModel model, ulong seed)
    {
        _life++;
        _wake = Instant.Never;
        StartedAt = network.Now;
        UplinkMac = model.Uplink.Mac;
        IsDead = false;
        Ledger = new PacketLedger(() => Node.Ham.CopiesSent);
        ClientEpochs.Clear();
        MappingEpochs.Clear();
        Blocks.Clear();
        Node = new AccessPointNode(model, seed, this);
        foreach (var address in Node.HeldAddresses)
        {
            network.RouteTo(this, address);
        }

        Wake();
    }

    public void FromNetwork(byte[] frame)
    {
        if (IsDead)
        {
            network.LostOutside++;
            return;
        }

        Ledger.BookIn(frame);
        var (isFlow, strays) = (PacketLedger.IsBooked(frame), Strays);
        Node.OnUplinkFrame(frame, OffloadInfo.None, network.Now);
        if (!isFlow && network.Settings.Takeover)
        {
            // A datagram between nodes that came to an address just given up, or back to its sender, who has just taken it.
            Ledger.Excuse(Strays - strays);
        }

        Wake();
    }

    private long Strays => Node.Drops[DropReason.NotForUs] + Node.Drops[DropReason.Martian];

    public void FromRadio(byte[] frame)
    {
        if (IsDead)
        {
            network.LostOutside++;
            return;
        }

        Ledger.BookIn(frame);
        Node.OnClientFrame(frame, OffloadInfo.None, network.Now);
        Wake();
    }

    /// <summary>Sees to it that the node is called when it wants to be.</summary>
    public void Wake()
    {
        var due = Node.NextDeadline;
        if (due >= _wake || due == Instant.Never)
        {
            return;
        }

        _wake = due;
        var life = _life;
        network.At(due, () =>
        {
            // An earlier call may have been asked for since, which has seen to the next one.
            if (life == _life && _wake == due)
            {
                _wake = Instant.Never;
                Node.Advance(network.Now);
                Wake();
            }
        });
    }

    void INodeOutput.SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        Ledger.BookOut(frame);
        network.CheckLedger(this);
        network.FromUplink(this, frame.ToArray());
    }

    void INodeOutput.SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        Ledger.BookOut(frame);
        network.CheckLedger(this);
        network.ToClient(this, frame.ToArray());
    }

    void INodeOutput.SendControl(ControlMessage message)
    {
        Heard?.Add((network.Now, message));
        network.SendToCoordinator(this, message);
    }

    void INodeOutput.Report(EngineEvent engineEvent)
    {
        Heard?.Add((network.Now, engineEvent));
        if (network.Settings.PortBlocks > 0 && Blocks.Take(engineEvent) is { } wrong)
        {
            throw network.Fail($"{Name}: {wrong}");
        }

        if (engineEvent is MappingAnchored anchored)
        {
            network.NoteAnchored(this, anchored.Mapping);
        }

        if (engineEvent is AddressTaken taken)
        {
            network.RouteTo(this, taken.Address);
        }

        if (engineEvent is StartedOver)
        {
            StartedAt = network.Now;
            ClientEpochs.Clear();
            MappingEpochs.Clear();
        }

        if (engineEvent is not FamSwitched)
        {
            network.Chronicle.Note(network.Now, Name, Name, Chronicle.Describe(engineEvent));
        }
    }
}
