using System.Text;
using System.Text.Json;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Logging;

/// <summary>The records of mappings that are for one server each (decision 27).</summary>
public sealed class SharedMappingBookTests
{
    private const long Noon = 1_777_896_000_000;

    private static readonly TransportEndpoint s_own = TransportEndpoint.Parse("192.168.77.11:5000");
    private static readonly TransportEndpoint s_server = TransportEndpoint.Parse("203.0.113.9:53");

    private readonly List<string> _lines = [];

    /// <summary>Two clients have one endpoint at one time: who it was shows by the server alone, in the record and in the journal.</summary>
    [Fact, Trait("Req", "N-12"), Trait("Req", "N-01"), Trait("Rfc", "6888 REQ-12")]
    public void Mappings_that_share_an_endpoint_have_records_of_their_own_with_their_server()
    {
        var pair = new RoamingPair(change: model => model with
        {
            WallClock = now => Noon + (now.Nanoseconds / 1_000_000), Mapping = MappingPolicy.AddressAndPortDependent, FirstPort = 40_000, LastPort = 40_000,
        });
        var other = MacAddress.Parse("02:00:00:00:00:22");
        pair.Arrive(other, 0);
        var masquerade = pair.Open(s_own, s_server);
        var second = s_server with { Port = 443 };
        Assert.Equal(masquerade, pair.Open(TransportEndpoint.Parse("192.168.77.22:5000"), second, other));
        var book = new MappingBook(new NodeId("ap1"), saysBegin: false, line => _lines.Add(Encoding.UTF8.GetString(line)), _ => { });
        Replay(book, pair.Events(0));
        Assert.Equal(2, book.Count);
        foreach (var line in book.Journal)
        {
            Assert.True(LogLine.TryRead(line, out var live, out var mapping));
            Assert.Equal((LogLine.Live, new MappingId(TransportProtocol.Udp, masquerade, mapping.Client == other ? second : s_server)), (live, mapping.Mapping));
        }

        pair.Wait(600_000);
        Replay(book, pair.Events(0).OfType<MappingReleased>());
        Assert.Equal(0, book.Count);
        Assert.Equal(
            ["02:00:00:00:00:11 203.0.113.9 53", "02:00:00:00:00:22 203.0.113.9 443"],
            _lines.Select(l => JsonDocument.Parse(l).RootElement).Select(r => $"{r.GetProperty("client")} {r.GetProperty("server")} {r.GetProperty("serverPort")}").Order(StringComparer.Ordinal));
    }

    private static void Replay(MappingBook book, IEnumerable<EngineEvent> events)
    {
        foreach (var happened in events)
        {
            book.Take(happened, Noon + 1);
        }
    }
}
