using System.Buffers;
using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.Store;
using Masquerade.SimWorld.World;
using static Masquerade.SimWorld.World.Talk;

namespace Masquerade.SimWorld.Checkers;

/// <summary>
/// What the checkers of the history must refuse: two FAMs in one epoch, an epoch that goes back, two owners of one masquerade endpoint. Each wrong history differs from a right one,
/// which they take, in one point.
/// </summary>
public sealed class HistoryCheckerTests
{
    private static readonly NodeId Here = new("ap1");
    private static readonly NodeId Elsewhere = new("ap2");

    private readonly SimNetwork _network = new(7, new Settings { Coordinators = 2, AccessPoints = 2, Clients = 2 });
    private readonly SimClient _client;
    private readonly SimClient _other;
    private readonly ClientRecord _record;
    private readonly MappingId _mapping;
    private long _version = 1_000_000;

    public HistoryCheckerTests()
    {
        _network.Run(TimeSpan.FromMilliseconds(200));
        _other = _network.Clients[1];
        _network.Attach(_other, 0);
        (_client, _) = Settle(_network, TransportProtocol.Udp, ipv6: false);
        _record = _network.RecordOf(_client.Mac)!;
        _mapping = Assert.Single(_record.Mappings.Keys);
        Assert.Equal(Here, _record.Fam);
        Assert.True(_network.RecordsSet > 0);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void Two_FAMs_in_one_epoch_are_noticed_in_the_store()
    {
        Take(_record);
        Take(_record with { Fam = Elsewhere, Epoch = _record.Epoch.Next() });
        Refuses("has two FAMs in epoch", () => Take(_record with { Epoch = _record.Epoch.Next() }));
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void Two_FAMs_in_one_epoch_are_noticed_in_what_agents_are_told()
    {
        var change = new FamChange { Id = 1, Client = _client.Mac, Epoch = _record.Epoch.Next(), NewFam = Elsewhere, Token = 1, Routes = [] };
        Tell(0, change);
        Tell(1, change);
        Refuses("has two FAMs in epoch", () => Tell(1, change with { NewFam = Here }));

        // Whoever is told that it may serve is the FAM of that epoch.
        Refuses("has two FAMs in epoch", () => Tell(1, new ArriveReply { Id = 2, Client = _client.Mac, Status = AckStatus.Ok, Epoch = _record.Epoch, Complete = true }));
        Tell(1, new ArriveReply { Id = 3, Client = _client.Mac, Status = AckStatus.StaleEpoch, Epoch = _record.Epoch, Complete = true });
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void An_epoch_that_goes_back_in_the_store_is_noticed()
    {
        Take(_record with { Epoch = new Epoch(_record.Epoch.Value + 5) });
        Refuses("back to", () => Take(_record with { Epoch = new Epoch(_record.Epoch.Value + 4) }));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_second_owner_of_a_masquerade_endpoint_is_noticed() =>
        Refuses("as well", () => Take(_network.RecordOf(_other.Mac)! with { Mappings = _record.Mappings }));

    [Fact]
    [Trait("Req", "A-16")]
    public void An_owner_after_another_is_right_if_the_first_has_given_up_before()
    {
        Take(_record with { Mappings = ImmutableDictionary<MappingId, MappingEntry>.Empty });
        Refuses("claimed for " + _client.Mac, () => Take(_network.RecordOf(_other.Mac)! with { Mappings = _record.Mappings }));
        Claim(_mapping, _other.Mac);
        Take(_network.RecordOf(_other.Mac)! with { Mappings = _record.Mappings });

        // And now it is the first one that may not have it back as if nothing had been.
        Refuses("as well", () => Take(_record));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void An_endpoint_that_nobody_has_claimed_is_noticed()
    {
        var invented = _mapping with { Masquerade = new TransportEndpoint(_mapping.Masquerade.Address, (ushort)(_mapping.Masquerade.Port ^ 0x100)) };
        var entry = _record.Mappings[_mapping];
        Refuses("claimed for nobody", () => Take(_record with { Mappings = _record.Mappings.Add(invented, entry with { Record = entry.Record with { Mapping = invented } }) }));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void Two_records_with_one_endpoint_are_noticed_when_all_is_quiet()
    {
        Assert.Null(_network.FirstStoreDisagreement());
        var record = _network.RecordOf(_other.Mac)!;
        Put(Encode(record with { Mappings = record.Mappings.SetItems(_record.Mappings) }), record.Client);
        Assert.Contains("belongs to", _network.FirstStoreDisagreement(), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_record_without_its_claim_is_noticed_when_all_is_quiet()
    {
        Claim(_mapping, _other.Mac);
        Assert.Contains($"is claimed for {_other.Mac}", _network.FirstStoreDisagreement(), StringComparison.Ordinal);
    }

    /// <summary>The history goes on with a record that the store takes.</summary>
    private void Take(ClientRecord record) => _network.Redis!.OnRecord!(SimStore.RecordKey(record.Client), Encode(record));

    /// <summary>A coordinator says something to an agent.</summary>
    private void Tell(int ap, ControlMessage message) => ((ICoordinatorOutput)_network.Coordinators[0]).Send(_network.AccessPoints[ap].Session, message);

    private void Put(StoredRecord stored, MacAddress client)
    {
        var key = SimStore.RecordKey(client);
        var master = _network.Redis!.Master(_network.Redis.PartOf(key));
        Assert.True(master.Execute(m => Scripts.Set(m, key, m.Get<StoredRecord>(key)!.Version, stored, _network.Settings.Lease), _network.Now));
    }

    /// <summary>The claim of an endpoint passes to a client, whoever had it.</summary>
    private void Claim(MappingId mapping, MacAddress client)
    {
        var bucket = SimStore.BucketKey(mapping);
        var master = _network.Redis!.Master(_network.Redis.PartOf(bucket));
        var held = master.Execute(m => Scripts.See(m, bucket, [mapping]), _network.Now);
        master.Execute(m => Scripts.Withdraw(m, bucket, held), _network.Now);
        Assert.Empty(master.Execute(m => Scripts.Claim(m, bucket, client, 1, [mapping], _network.Settings.Lease), _network.Now));
    }

    private StoredRecord Encode(ClientRecord record)
    {
        var octets = new ArrayBufferWriter<byte>();
        ClientRecordCodec.Encode(record, SimRedis.Epoch, octets);
        return new StoredRecord(++_version, octets.WrittenSpan.ToArray());
    }

    private static void Refuses(string why, Action action) => Assert.Contains(why, Assert.Throws<SimFailure>(action).Message, StringComparison.Ordinal);
}
