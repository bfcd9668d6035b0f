using System.Diagnostics;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Coordinator;

/// <summary>A client that the load plays.</summary>
internal sealed class PlayedClient(MacAddress mac)
{
    public MacAddress Mac { get; } = mac;

    /// <summary>The node that serves it; -1 before it has arrived anywhere.</summary>
    public int At { get; set; } = -1;

    public Epoch Epoch { get; set; }

    public List<MappingRecord> Mappings { get; } = [];

    /// <summary>The move under way; null if it stands still.</summary>
    public Move? Move { get; set; }

    /// <summary>Connections that it has opened, those included that the coordinator has not answered for yet.</summary>
    public int Opened { get; set; }
}

/// <summary>A client's move and what has been heard of it.</summary>
internal sealed class Move(int from, int to, Action<Move> done)
{
    public int From { get; } = from;

    public int To { get; } = to;

    public Action<Move> Done { get; } = done;

    public long Began { get; } = Stopwatch.GetTimestamp();

    /// <summary>The epoch in which the FAM before served the client.</summary>
    public Epoch Before { get; init; }

    /// <summary>What the new access point offers.</summary>
    public TransportEndpoint[] Offers { get; init; } = [];

    /// <summary>The new FAM has its answer.</summary>
    public long Replied { get; set; }

    /// <summary>New FAM and every HAM know: from here on packets take the new way.</summary>
    public long Informed { get; set; }

    /// <summary>The FAM before has handed over as well.</summary>
    public bool IsComplete { get; set; }

    /// <summary>Mappings of which the HAM has been told.</summary>
    public int Told { get; set; }

    public bool HasHandedOver { get; set; }

    public int PartsUnacknowledged { get; set; }

    public double RepliedMicroseconds => Stopwatch.GetElapsedTime(Began, Replied).TotalMicroseconds;

    public double InformedMicroseconds => Stopwatch.GetElapsedTime(Began, Informed).TotalMicroseconds;
}

/// <summary>Clients that open connections and roam, and the part that access points play in it: they offer endpoints and hand over.</summary>
internal sealed class Walkers
{
    private readonly LoadSite _site;
    private readonly Dictionary<MacAddress, PlayedClient> _clients = [];
    private readonly int[] _serials;
    private ulong _lastMac = 0x0200_0000_0000;

    public Walkers(LoadSite site)
    {
        _site = site;
        _serials = new int[site.Nodes];
        site.OnPush = OnPush;
    }

    /// <summary>Answers and pushes that were as they should be.</summary>
    public long Checks { get; private set; }

    /// <summary>New clients, each at home at one of the nodes in turn.</summary>
    public PlayedClient[] Arrive(int count, Func<int, int> at, int inFlight)
    {
        var clients = new PlayedClient[count];
        for (var i = 0; i < count; i++)
        {
            clients[i] = new PlayedClient(new MacAddress(++_lastMac));
            _clients.Add(clients[i].Mac, clients[i]);
        }

        ForAll(count, inFlight, (i, done) => Walk(clients[i], at(i), [], _ => done()));
        return clients;
    }

    /// <summary>Nobody needs to know of them any more on this side; the coordinator goes on knowing them.</summary>
    public void Forget(IEnumerable<PlayedClient> clients)
    {
        foreach (var client in clients)
        {
            _clients.Remove(client.Mac);
        }
    }

    /// <summary>Does something many times, so many at once.</summary>
    public void ForAll(int count, int inFlight, Action<int, Action> begin)
    {
        var (begun, ended) = (0, 0);
        void Ended()
        {
            ended++;
            if (begun < count)
            {
                begin(begun++, Ended);
            }
        }

        for (var i = Math.Min(count, inFlight); i > 0; i--)
        {
            begin(begun++, Ended);
        }

        _site.RunUntil(() => ended == count);
    }

    /// <summary>A free endpoint at a node.</summary>
    public TransportEndpoint Allocate(int node) => LoadSite.Endpoint(node, _serials[node]++);

    /// <summary>New mappings with one connection each, anchored where the client is.</summary>
    public MappingRecord[] Open(PlayedClient client, int count)
    {
        var opened = new MappingRecord[count];
        for (var i = 0; i < count; i++)
        {
            var masquerade = Allocate(client.At);
            var number = client.Opened++;
            opened[i] = new MappingRecord
            {
                Mapping = new MappingId(TransportProtocol.Tcp, masquerade),
                ClientEndpoint = OwnEndpoint(client, number),
                Ham = LoadSite.Name(client.At),
                AnchorEpoch = client.Epoch,
                Revision = 1,
                FamEndpoint = masquerade,
                Connections = [new ConnectionRecord(ServerOf(number), ConnectionState.Established, 0)],
            };
            client.Mappings.Add(opened[i]);
        }

        return opened;
    }

    /// <summary>Opens connections at the client's access point, and tells the coordinator of them as the access point does afterwards.</summary>
    public void Announce(PlayedClient client, int count, Action done)
    {
        var opened = Open(client, count);
        var left = (count + ControlLimits.MaxMappingsPerMessage - 1) / ControlLimits.MaxMappingsPerMessage;
        foreach (var part in opened.Chunk(ControlLimits.MaxMappingsPerMessage))
        {
            _site.Ask(client.At, id => new Announce { Id = id, Client = client.Mac, Epoch = client.Epoch, Mappings = part }, answer =>
            {
                Check(answer is Ack { Status: AckStatus.Ok }, "an announcement was not taken");
                if (--left == 0)
                {
                    done();
                }
            });
        }
    }

    /// <summary>Has the coordinator establish a connection, as an access point does that must ask first.</summary>
    public void Attach(PlayedClient client, Action done)
    {
        var endpoint = Allocate(client.At);
        var number = client.Opened++;
        _site.Ask(
            client.At,
            id => new Attach
            {
                Id = id, Client = client.Mac, Epoch = client.Epoch, Protocol = TransportProtocol.Tcp, ClientEndpoint = OwnEndpoint(client, number), Server = ServerOf(number),
                FamEndpoint = endpoint, MayEstablish = true,
            },
            answer =>
            {
                var mapping = (answer as AttachReply)?.Mapping;
                Check(answer is AttachReply { Status: AttachStatus.Established } && mapping!.Mapping.Masquerade == endpoint, "a connection was not established");
                client.Mappings.Add(mapping!);
                done();
            });
    }

    /// <summary>Whether the coordinator knows a client's mapping; a measurement of set-ups that were lost would be none.</summary>
    public void LookUp(PlayedClient client, Action done)
    {
        var last = client.Mappings[^1];
        _site.Ask(
            client.At,
            id => new Lookup { Id = id, Client = client.Mac, Protocol = TransportProtocol.Tcp, ClientEndpoint = last.ClientEndpoint, Server = last.Connections[0].Server },
            answer =>
            {
                Check(answer is LookupReply { Mapping: { } found } && found.Mapping == last.Mapping, "a mapping that was set up is not known");
                done();
            });
    }

    /// <summary>A client moves; done when the new FAM has everything and every HAM has been told.</summary>
    /// <param name="client">Who.</param>
    /// <param name="to">Where to.</param>
    /// <param name="offers">What the new access point offers; at most <see cref="ControlLimits.MaxOffers"/>.</param>
    /// <param name="done">Hears of the end.</param>
    public void Walk(PlayedClient client, int to, TransportEndpoint[] offers, Action<Move> done)
    {
        var move = new Move(client.At, to, done) { Before = client.Epoch, Offers = offers };
        client.Move = move;
        _site.Ask(
            to,
            id => new Arrive { Id = id, Client = client.Mac, KnownEpoch = client.Epoch, Offers = [.. offers.Select(o => new FamOffer(TransportProtocol.Tcp, o))] },
            answer =>
            {
                var expected = Math.Min(client.Mappings.Count, ControlLimits.MaxMappingsPerMessage);
                Check(
                    answer is ArriveReply { Status: AckStatus.Ok } reply && reply.Epoch > client.Epoch && reply.Mappings.Count == expected
                    && (expected == 0 || offers.Length == 0 || offers.Contains(reply.Mappings[0].FamEndpoint)),
                    "an arrival was not answered as it should be");
                var taken = (ArriveReply)answer;
                client.Epoch = taken.Epoch;
                client.At = to;
                move.Replied = Stopwatch.GetTimestamp();
                move.IsComplete |= taken.Complete;
                Settle(client, move);
            });
    }

    private static TransportEndpoint OwnEndpoint(PlayedClient client, int number) => new(IpAddress.FromV4(0xC0A8_4D00 + (uint)(client.Mac.Value & 0xFF)), (ushort)(1_024 + number));

    private static TransportEndpoint ServerOf(int number) => new(IpAddress.FromV4(0xCB00_7100 + (uint)(number % 50)), 443);

    private void Check(bool isGood, string mistake)
    {
        if (!isGood)
        {
            throw new BenchException(mistake);
        }

        Checks++;
    }

    private void OnPush(int node, ControlMessage message)
    {
        switch (message)
        {
            case FamChange change when _clients.TryGetValue(change.Client, out var client) && client.Move is { } move && change.NewFam == LoadSite.Name(move.To):
                foreach (var route in change.Routes)
                {
                    if (route.Ham == LoadSite.Name(node))
                    {
                        move.Told++;

                        // Of very many, not all have an endpoint; and to look for each among all would take longer than what is measured.
                        Check(client.Mappings.Count > 100 || move.Offers.Contains(route.NewFamEndpoint), "a HAM was told another way");
                    }
                }

                if (change.PreviousFam == LoadSite.Name(node) && node == move.From && !move.HasHandedOver)
                {
                    move.HasHandedOver = true;
                    HandOver(client, move);
                }

                Settle(client, move);
                break;
            case ArrivalUpdate { Complete: true } update when _clients.TryGetValue(update.Client, out var client) && client.Move is { } move && node == move.To:
                move.IsComplete = true;
                Settle(client, move);
                break;
        }
    }

    private static void Settle(PlayedClient client, Move move)
    {
        if (move.Informed == 0 && move.Replied != 0 && move.Told >= client.Mappings.Count)
        {
            move.Informed = Stopwatch.GetTimestamp();
        }

        if (move.Informed != 0 && move.IsComplete)
        {
            client.Move = null;
            move.Done(move);
        }
    }

    /// <summary>All that the FAM before knows; what is too much for one message goes in parts, the last one when the others are acknowledged.</summary>
    private void HandOver(PlayedClient client, Move move)
    {
        var parts = client.Mappings.Count == 0 ? [[]] : client.Mappings.Chunk(ControlLimits.MaxMappingsPerMessage).ToArray();
        void Say(MappingRecord[] part, bool more, Action<ControlMessage> answered) => _site.Ask(
            move.From, id => new HandOver { Id = id, Client = client.Mac, Epoch = move.Before, Mappings = part, More = more }, answered);
        void Last() => Say(parts[^1], more: false, static _ => { });
        move.PartsUnacknowledged = parts.Length - 1;
        if (parts.Length == 1)
        {
            Last();
            return;
        }

        foreach (var part in parts[..^1])
        {
            Say(part, more: true, _ =>
            {
                if (--move.PartsUnacknowledged == 0)
                {
                    Last();
                }
            });
        }
    }
}
