using Masquerade.AccessPoint;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.SimWorld.World;

/// <summary>An access point: the product's own node behind simulated devices.</summary>
internal sealed class SimAccessPoint(SimNetwork network, int index) : INodeOutput
{
    private readonly HashSet<IpAddress> _addresses = [];
    private Instant _wake = Instant.Never;
    private int _life;

    public string Name { get; } = $"ap{index + 1}";

    public int Index { get; } = index;

    public AccessPointNode Node { get; private set; } = null!;

    public MacAddress UplinkMac { get; private set; }

    /// <summary>The control session; 0 while there is none.</summary>
    public ulong Session { get; set; }

    /// <summary>When its tables were last lost.</summary>
    public Instant StartedAt { get; private set; }

    public bool Owns(IpAddress address) => _addresses.Contains(address);

    public void Start(AccessPointModel model, ulong seed)
    {
        _life++;
        _wake = Instant.Never;
        StartedAt = network.Now;
        UplinkMac = model.Uplink.Mac;
        foreach (var address in model.Uplink.Addresses)
        {
            _addresses.Add(address);
        }

        Node = new AccessPointNode(model, seed, this);
        Wake();
    }

    public void FromNetwork(byte[] frame)
    {
        Node.OnUplinkFrame(frame, OffloadInfo.None, network.Now);
        Wake();
    }

    public void FromRadio(byte[] frame)
    {
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
            if (life == _life)
            {
                _wake = Instant.Never;
                Node.Advance(network.Now);
                Wake();
            }
        });
    }

    void INodeOutput.SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload) => network.FromUplink(this, frame.ToArray());

    void INodeOutput.SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload) => network.ToClient(this, frame.ToArray());

    void INodeOutput.SendControl(ControlMessage message) => network.SendToCoordinator(this, message);

    void INodeOutput.Report(EngineEvent engineEvent)
    {
        if (engineEvent is not (MappingAnchored or MappingReleased or FamSwitched))
        {
            network.Chronicle.Note(network.Now, Name, Name, engineEvent.GetType().Name);
        }
    }
}
