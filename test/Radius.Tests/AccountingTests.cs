using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;
using Masquerade.Lab.FreeRadius;

namespace Masquerade.Radius.Tests;

[Trait("Req", "A-23")]
public sealed class AccountingTests
{
    private static readonly SessionId Id = new(0x0123456789ABCDEF, 0xFEDCBA9876543210);
    private static readonly MacAddress Client = MacAddress.Parse("00:10:a4:23:19:c0");
    private static readonly NasSettings Nas = new() { Identifier = "site", Ssid = "office" };

    [Fact]
    public async Task A_session_is_one_across_roams_and_a_real_server_records_it_so()
    {
        using var server = new FreeRadiusProcess(new FreeRadiusOptions { Users = [] });
        await using var radius = new RadiusClient(new RadiusClientSettings
        {
            Servers = [new RadiusServerSettings { Name = "freeradius", EndPoint = server.AccountingEndPoint, Secret = new RadiusSecret(server.Secret) }],
        });
        await using var accounting = new Accounting(new AccountingSettings { Nas = Nas }, radius);
        var session = accounting.Start(Grant("bob"), new NodeId("ap1"));
        await accounting.WhenEmptyAsync();
        session.Add(new Usage(5_000_000_000, 10, 3, 4));
        session.RoamTo(new NodeId("ap2"));
        await accounting.WhenEmptyAsync();
        session.Add(new Usage(1, 20, 1, 1));
        session.Stop(TerminateCause.AdminReset);
        session.Stop(TerminateCause.LostCarrier);
        await accounting.WhenEmptyAsync();

        var records = server.Accounting.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, records.Length);
        Assert.All(records, r => Assert.Contains($"Acct-Session-Id = \"{Id}\"", r, StringComparison.Ordinal));
        Assert.All(records, r => Assert.Contains("NAS-Identifier = \"site\"", r, StringComparison.Ordinal));
        Assert.All(records, r => Assert.Contains("Class = 0x0102", r, StringComparison.Ordinal));
        Has(records[0], "Acct-Status-Type = Start", "Called-Station-Id = \"ap1:office\"");
        Has(records[1], "Acct-Status-Type = Interim-Update", "Called-Station-Id = \"ap2:office\"", "Acct-Input-Gigawords = 1", "Acct-Input-Octets = 705032704");
        Has(records[2], "Acct-Status-Type = Stop", "Acct-Input-Octets = 705032705", "Acct-Output-Octets = 30", "Acct-Output-Packets = 5", "Acct-Terminate-Cause = Admin-Reset", "Event-Timestamp");
    }

    [Fact]
    public async Task What_no_server_confirms_waits_and_is_told_later_with_its_delay()
    {
        var time = new ManualTime();
        var silent = true;
        await using var server = new ScriptedServer(r => silent ? [] : [ScriptedServer.Answer(r, RadiusCode.AccountingResponse, sign: false)]);
        await using var radius = new RadiusClient(new RadiusClientSettings
        {
            Servers = [server.Settings()], Times = new RadiusTimes { Initial = TimeSpan.FromSeconds(1), Count = 1, TriesBeforeNext = 1, Duration = TimeSpan.FromSeconds(5) },
        });
        await using var accounting = new Accounting(new AccountingSettings { Nas = Nas }, radius, time);
        accounting.Start(Grant("bob"), new NodeId("ap1"));
        await Wait.ForAsync(() => accounting[AccountingCount.Deferred] == 1 && time.Timers == 1, () => "it was not deferred");
        Volatile.Write(ref silent, false);
        time.Pass(TimeSpan.FromSeconds(31));
        await Wait.ForAsync(() => accounting[AccountingCount.Confirmed] == 1, () => "it was not told later");
        Assert.Equal(0, accounting.Waiting);
        Assert.Equal([0u, 31u], server.Requests.Select(r => Number(r.Octets, RadiusAttributeType.AcctDelayTime)));
        Assert.Single(server.Requests.Select(r => Number(r.Octets, RadiusAttributeType.EventTimestamp)).Distinct());
        Assert.Equal(2, server.Requests.Select(r => r.Octets[1]).Distinct().Count());
    }

    [Fact]
    public void The_queue_keeps_order_replaces_interims_and_is_bounded()
    {
        var queue = new AccountingQueue(4);
        Assert.Null(queue.Add(Record(AccountingStatus.Start)));
        Assert.Null(queue.Add(Record(AccountingStatus.Interim)));
        Assert.Equal(AccountingCount.Superseded, queue.Add(Record(AccountingStatus.Interim)));
        Assert.Null(queue.Add(Record(AccountingStatus.Start, 2)));
        Assert.Null(queue.Add(Record(AccountingStatus.Start, 3)));
        Assert.Equal(AccountingCount.QueueFull, queue.Add(Record(AccountingStatus.Start, 4)));

        // A stop is worth more than an interim: it is taken, and the interim goes.
        Assert.Equal(AccountingCount.QueueFull, queue.Add(Record(AccountingStatus.Stop, 2)));
        Assert.Equal(4, queue.Count);

        var first = queue.Take()!;
        Assert.Equal((AccountingStatus.Start, Id), (first.Status, first.Session));
        Assert.Equal(2ul, queue.Take()!.Session.Low);
        var third = queue.Take()!;
        Assert.Null(queue.Take());
        queue.Done(third, again: true);
        Assert.Same(third, queue.Take());
        queue.Done(first, again: false);
        Assert.Null(queue.Take());
        Assert.Equal(3, queue.Count);
    }

    [Fact]
    public void An_interim_that_is_under_way_is_not_replaced()
    {
        var queue = new AccountingQueue(4);
        queue.Add(Record(AccountingStatus.Interim));
        var sent = queue.Take()!;
        Assert.Null(queue.Add(Record(AccountingStatus.Interim)));
        Assert.Equal(AccountingCount.Superseded, queue.Add(Record(AccountingStatus.Stop)));
        queue.Done(sent, again: false);
        Assert.Equal(AccountingStatus.Stop, queue.Take()!.Status);
    }

    [Fact]
    public async Task Interims_are_told_as_often_as_the_server_wants()
    {
        var time = new ManualTime();
        await using var server = new ScriptedServer(r => [ScriptedServer.Answer(r, RadiusCode.AccountingResponse, sign: false)]);
        await using var radius = new RadiusClient(new RadiusClientSettings { Servers = [server.Settings()] });
        await using var accounting = new Accounting(new AccountingSettings { Nas = Nas }, radius, time);
        var session = accounting.Start(Grant("bob", interim: 300), new NodeId("ap1"));
        for (var second = 0; second < 1_000; second += 50)
        {
            session.InterimIfDue();
            await accounting.WhenEmptyAsync();
            time.Pass(TimeSpan.FromSeconds(50));
        }

        Assert.Equal([1u, 3u, 3u, 3u], server.Requests.Select(r => Number(r.Octets, RadiusAttributeType.AcctStatusType)));
        Assert.Equal([0u, 300u, 600u, 900u], server.Requests.Select(r => Number(r.Octets, RadiusAttributeType.AcctSessionTime)));
    }

    private static void Has(string record, params string[] lines) => Assert.All(lines, l => Assert.Contains(l, record, StringComparison.Ordinal));

    private static AccountingRecord Record(AccountingStatus status, ulong session = 0) => new(
        status, session == 0 ? Id : new SessionId(1, session), "bob", Client, new NodeId("ap1"), SessionTerms.None, DateTimeOffset.UnixEpoch, TimeSpan.Zero, default, default);

    private static SessionGrant Grant(string user, uint interim = 0)
    {
        var attributes = new RadiusAttributeWriter().Add(RadiusAttributeType.Class, [1, 2]).Add(RadiusAttributeType.AcctInterimInterval, interim);
        Assert.True(SessionTermsReader.TryRead(attributes.Octets, out var terms, out _));
        return new SessionGrant(Id, Client, user, user, null, terms, new ManualTime().GetUtcNow());
    }

    private static uint Number(byte[] octets, RadiusAttributeType type) =>
        RadiusPacket.TryParse(octets, out var packet, out _) && packet.TryGet(type, out var attribute) && attribute.TryGetNumber(out var number) ? number : 0;
}
