using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>When something is looked at.</summary>
public enum Phase
{
    /// <summary>The client is where it began: HAM and FAM are one node.</summary>
    AtRest,

    /// <summary>The client is at another node than its HAM.</summary>
    Roamed,

    /// <summary>The client is at another node, its HAM has died since, and a third node has that one's addresses.</summary>
    TakenOver,
}

/// <summary>The three phases in which every row of docs/rfc-compliance.md is to hold.</summary>
internal sealed partial class RoamingPair
{
    private static readonly NodeId s_third = new("ap3");

    /// <summary>The node that the client's masquerade addresses are at.</summary>
    public AccessPointNode Ham => _sides[^1].Number == 3 ? _sides[^1].Node : _sides[0].Node;

    /// <summary>The node that the client is at.</summary>
    public AccessPointNode Fam => _sides[At].Node;

    /// <summary>All that all nodes dropped.</summary>
    public long Dropped => _sides.Sum(s => s.Node.Drops.Total);

    /// <summary>Brings client and addresses to where they are in a phase, with everything that is open.</summary>
    public void GoTo(Phase phase)
    {
        if (phase != Phase.AtRest)
        {
            Roam();
            Wait(100);
        }

        if (phase == Phase.TakenOver)
        {
            TakeOver();
        }
    }

    /// <summary>The first node has failed; a third one is given its addresses, and all that is anchored there (docs/protocol.md, "Failure and takeover").</summary>
    public void TakeOver()
    {
        Assert.Equal(1, At);
        _sides[0].IsDead = true;
        IpAddress[] addresses = [Address(0, v6: false), Address(0, v6: true)];
        var third = _makeSide(3, model => model with { Uplink = model.Uplink with { OnLink = [.. model.Uplink.OnLink, IpPrefix.Parse("10.1.1.0/24"), IpPrefix.Parse("fd00:10:1:1::/64")] } });
        _sides = [.. _sides, third];
        Connect(third);
        var records = _served.ConvertAll(r => r with { Ham = s_third, Revision = r.Revision + 1 });
        third.Node.OnControl(Owners(2_000, settled: false), Now);
        Assert.Contains(third.Control, m => m is Ack { Id: 2_000, Status: AckStatus.Ok });
        third.Node.OnControl(new AdoptMappings { Id = 2_001, Client = Client, Epoch = new Epoch(_epoch), Mappings = records }, Now);
        Fam.OnControl(new ArrivalUpdate { Id = 2_002, Client = Client, Epoch = new Epoch(_epoch), Complete = true, Mappings = records }, Now);
        third.Node.OnControl(Owners(2_003, settled: true), Now);
        for (var i = 0; i < 5; i++)
        {
            Wait(100);
        }

        Assert.Equal(records.Count, third.Node.Ham.MappingCount);
        Assert.All(addresses, a => Assert.Equal(2, Said[a]));

        AddressOwners Owners(ulong id, bool settled) => new() { Id = id, Owners = [.. addresses.Select(a => new AddressOwner(a, new Epoch(5), s_third, settled))] };
    }
}
