using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint;

/// <summary>
/// Which masquerade addresses this node answers for: its own, unless another node has taken them over, and those that it has taken over itself. The coordinator decides, and the
/// higher epoch is right. A node that learns that its own addresses are another's begins a new life: whatever its tables say, others may have changed since.
/// </summary>
public sealed partial class AccessPointNode
{
    /// <summary>Addresses that have moved, the node's own and others', of which the latest word is remembered.</summary>
    private const int MaxOwners = ControlLimits.MaxAddresses;

    private readonly Dictionary<IpAddress, AddressOwner> _owners = [];
    private readonly Dictionary<MacAddress, string?> _associated = [];
    private ulong _incarnation;
    private Instant _holdAt = Instant.Never;

    /// <summary>Addresses that this node answers for now.</summary>
    public IReadOnlyList<IpAddress> HeldAddresses => _uplinkLink.Own;

    /// <summary>Whether clients are served here: not while another node has this one's addresses, or nobody has said whether one has.</summary>
    public bool Serves => _pool.GivesOut;

    /// <summary>What this node could take over: what is on its links, or everything of a family if it can have routes changed.</summary>
    private IReadOnlyList<IpPrefix> Takes => !_model.Uplink.AnnouncesRoutes
        ? _model.Uplink.OnLink
        : [.. _model.Uplink.OnLink, .. _model.Uplink.Addresses.Select(a => new IpPrefix(a, 0)).Distinct()];

    private void WithholdAll()
    {
        FastPath?.VoidAll();
        foreach (var address in _model.Uplink.Addresses)
        {
            _pool.Yield(address);
            _uplinkLink.Yield(address);
        }

        // Due at once: the first call tells what time it is.
        _holdAt = Instant.Zero;
    }

    private void AdvanceAddresses(Instant now)
    {
        if (now < _holdAt)
        {
            return;
        }

        if (_holdAt == Instant.Zero)
        {
            _holdAt = now + _model.AddressPatience;
            return;
        }

        // No coordinator has answered: then nobody has decided that they are another's either, as far as can be known.
        HoldOwn(now);
    }

    /// <summary>Holds all own addresses that are nobody else's.</summary>
    private void HoldOwn(Instant now)
    {
        _holdAt = Instant.Never;
        foreach (var address in _model.Uplink.Addresses)
        {
            var owner = _owners.GetValueOrDefault(address) ?? new AddressOwner(address, Epoch.None, _model.Node, Settled: true);
            if (!_pool.Owns(address) && owner.Node == _model.Node)
            {
                Hold(address, owner.Epoch, owner.Settled, now);
            }
        }
    }

    private void OnAddressOwners(AddressOwners message, Instant now)
    {
        var incarnation = _incarnation;
        var taken = TryFollow(message.Owners, message.Planned, now, out var refused);
        if (incarnation == _incarnation && taken)
        {
            _output.SendControl(new Ack { Id = message.Id, Status = refused ? AckStatus.Refused : AckStatus.Ok });
        }
    }

    private bool TryFollow(IReadOnlyList<AddressOwner> owners, Instant now) => TryFollow(owners, planned: false, now, out _);

    /// <summary>Takes and gives up addresses. False if this node began a new life by it: whatever else the message says is for the old one.</summary>
    private bool TryFollow(IReadOnlyList<AddressOwner> owners, bool planned, Instant now, out bool refused)
    {
        refused = false;
        var lost = false;
        var since = Epoch.None;
        foreach (var owner in owners)
        {
            var isOwn = _model.Uplink.Addresses.Contains(owner.Address);
            if (_owners.TryGetValue(owner.Address, out var known) && (owner.Epoch < known.Epoch || (owner.Epoch == known.Epoch && (known.Settled || !owner.Settled))))
            {
                continue;
            }

            if (known is null && _owners.Count >= MaxOwners && !isOwn && !TryForgetOwner())
            {
                refused |= owner.Node == _model.Node;
                continue;
            }

            _standIns.SayAgain(owner.Address, now);
            if (owner.Node == _model.Node)
            {
                if (!Hold(owner.Address, owner.Epoch, owner.Settled, now, isNewWord: owner.Epoch > (known?.Epoch ?? Epoch.None)))
                {
                    refused = true;
                    continue;
                }

                _owners[owner.Address] = owner;
            }
            else
            {
                var isMissed = isOwn && !(planned && HasAnother(owner.Address));
                if (isMissed && _pool.Owns(owner.Address))
                {
                    since = !lost || owner.Epoch < since ? owner.Epoch : since;
                    lost = true;
                }

                _owners[owner.Address] = owner;
                GiveUp(owner, isOwn, isMissed, now);
            }
        }

        if (lost)
        {
            StartOver(since, now);
        }

        return !lost;
    }

    /// <summary>
    /// Makes room for a word on another address: the oldest one on an address that is another's and neither was this node's own nor is held here. A node through which many addresses
    /// have passed must still be able to take one.
    /// </summary>
    private bool TryForgetOwner()
    {
        var oldest = _owners.Values.Where(o => o.Settled && o.Node != _model.Node && !_model.Uplink.Addresses.Contains(o.Address) && !_pool.Owns(o.Address)).MinBy(o => o.Epoch.Value);
        return oldest is not null && _owners.Remove(oldest.Address);
    }

    /// <summary>
    /// Holds an address. If it is held already, a new word on who owns it is announced all the same: between the two words another node may have had it, and the network may go on
    /// sending its packets there.
    /// </summary>
    private bool Hold(IpAddress address, Epoch epoch, bool settled, Instant now, bool isNewWord = false)
    {
        var (held, gave, knew) = (_pool.Owns(address), _pool.GivesOut, _pool.IsSettled(address));
        if (!_pool.TryHold(address, settled))
        {
            return false;
        }

        if (!held || isNewWord)
        {
            // What went to it on the link stays here from now on.
            FastPath?.VoidAll();
            _uplinkLink.Take(address, now);
            _output.Report(new AddressTaken(address, epoch));
            OnPeersChanged();
        }

        if (settled && !knew && _model.Uplink.Addresses.Contains(address))
        {
            Fam.OnEndpointsFree(now);
        }

        if (!gave && _pool.GivesOut)
        {
            // Clients that have associated meanwhile are served from now on.
            foreach (var client in _users is null ? _associated.Keys : _associated.Keys.Where(_users.IsAdmitted))
            {
                Fam.OnAssociated(client, now);
            }
        }

        return true;
    }

    /// <summary>Whether this node has another address of its own by which what it serves can be reached.</summary>
    private bool HasAnother(IpAddress address) => _model.Uplink.Addresses.Any(a => a != address && a.IsIPv4 == address.IsIPv4 && _pool.Owns(a));

    private void GiveUp(AddressOwner owner, bool isOwn, bool isMissed, Instant now)
    {
        if (!_pool.Owns(owner.Address))
        {
            return;
        }

        FastPath?.VoidAll();
        _uplinkLink.Yield(owner.Address);
        _ways.Forget(owner.Address);
        _standIns.Forget(owner.Address, _pool, now);
        _neighbours?.Flows.Forget(owner.Address, _pool, now);
        OnPeersChanged();
        if (isOwn)
        {
            // Nothing is to be allocated at it from now on.
            _pool.Yield(owner.Address);
        }

        if (!isMissed)
        {
            // The FAM first: it allocates what it needs now and asks for it.
            Fam.Yield(owner.Address, owner.Node, now);
            Ham.Yield(owner.Address);
        }

        _pool.Yield(owner.Address);
        _output.Report(new AddressYielded(owner.Address, owner.Epoch, owner.Node));
    }

    /// <summary>
    /// Others have had this node's addresses: its clients may be elsewhere, its mappings may have ended, its ports may have been anybody's. It knows nothing any more, like a
    /// process that has just started, and says so.
    /// </summary>
    private void StartOver(Epoch since, Instant now)
    {
        var held = Fam.HeldPackets + Ham.HeldPackets;
        Drops.Count(DropReason.Fenced, held);
        _output.Report(new StartedOver(Fam.ClientCount, Ham.MappingCount, since));
        foreach (var address in _uplinkLink.Own)
        {
            _uplinkLink.Yield(address);
            _output.Report(new AddressYielded(address, Epoch.None, NodeId.None));
        }

        foreach (var owner in _owners.Values.Where(o => o.Node == _model.Node && !_model.Uplink.Addresses.Contains(o.Address)).ToList())
        {
            _owners.Remove(owner.Address);
        }

        _outbox.RemoveAll(_ => true);
        _incarnation++;
        ForgetFragments();
        ForgetWays();
        ForgetNeighbours();
        (_hasGreeted, _isRestored) = (false, false);
        (_pool, Ham, Fam) = Furnish();
        WithholdAll();
        OnControlConnected(now);
    }

    /// <summary>
    /// Mappings at an address that is another's by now are that node's. False if something must be said for which there is no room, or the address has not been taken yet.
    /// </summary>
    private bool TryAdopt(AdoptMappings adopt, Instant now)
    {
        var mine = adopt.Mappings.Where(r => !_owners.TryGetValue(r.Mapping.Masquerade.Address, out var owner) || owner.Node == _model.Node).ToList();
        if (mine.Count < adopt.Mappings.Count)
        {
            adopt = adopt with { Mappings = mine };
        }

        if (!Ham.OnControl(adopt, now))
        {
            return false;
        }

        Fam.OnControl(adopt, now);
        return true;
    }
}
