using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>The other coordinators over a shared store, played by the test: what is asked of them is answered at once, unless they are told to wait.</summary>
internal sealed class PlayedPeers : ICoordinatorPeers
{
    private readonly List<Action> _waiting = [];

    public List<NodePresence> Registered { get; } = [];

    public List<NodePresence> Unregistered { get; } = [];

    /// <summary>Sessions in whose preparation all was forgotten and given back.</summary>
    public List<ulong> Settled { get; } = [];

    public bool Waits { get; set; }

    public bool MustForget { get; set; }

    public void Answer()
    {
        var answers = _waiting.ToArray();
        _waiting.Clear();
        foreach (var answer in answers)
        {
            answer();
        }
    }

    public void Register(NodePresence presence, Action<Registration> done)
    {
        Registered.Add(presence);
        var registration = new Registration((ulong)Registered.Count, MustForget);
        Later(() => done(registration));
    }

    public void Tell(NodePresence presence)
    {
        // Nobody is there.
    }

    public void Forgotten(NodeId node, ulong number) => Settled.Add(number);

    public void Unregister(NodePresence presence) => Unregistered.Add(presence);

    public void Renew(NodeId node, IReadOnlyList<IpAddress> addresses)
    {
        // Nothing expires here.
    }

    public void Relay(ulong life, NodeId node, ControlMessage message)
    {
        // Nobody is there.
    }

    public bool Watch(ulong life) => true;

    public void ReadAddresses(Action<AddressBook> done) => done(new AddressBook([], new HashSet<NodeId>(), 0));

    public void WriteAddresses(IReadOnlyList<AddressChange> changes, ulong asOf, Action<AddressesWritten> done) => done(new AddressesWritten(StoreOutcome.Stored, asOf + 1, asOf));

    public void WriteDrained(NodeId node, bool isDrained, Action<StoreFailure> done) => done(StoreFailure.None);

    private void Later(Action answer)
    {
        if (Waits)
        {
            _waiting.Add(answer);
        }
        else
        {
            answer();
        }
    }
}
