using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Tests.Control;

/// <summary>docs/protocol.md is the wire format; what it says is held against the code.</summary>
public sealed partial class ProtocolDocumentTests
{
    private static readonly string Document = SourceTree.Read("docs/protocol.md");

    [Fact]
    public void Every_message_stands_there_with_its_number_and_no_other_does()
    {
        var documented = Rows().ToDictionary(r => r.Name, r => r.Number, StringComparer.Ordinal);
        var spoken = ControlCodec.TypeNumbers.ToDictionary(t => t.Key.Name, t => t.Value, StringComparer.Ordinal);
        Assert.Equal(spoken.OrderBy(t => t.Value), documented.OrderBy(t => t.Value));
    }

    /// <summary>A field that is added to a message and not to its row shows here: the row names as many as the wire has.</summary>
    [Fact]
    public void Every_row_has_as_many_fields_as_the_wire()
    {
        var random = new RandomMessages(1);
        var rows = Rows().ToDictionary(r => r.Name, r => r.Fields, StringComparer.Ordinal);
        foreach (var type in RandomMessages.Types)
        {
            var reader = new MessagePackReader(Encoded.Body(random.Next(type)));
            Assert.True(reader.TryReadArrayHeader(out var elements));
            Assert.True(elements - 3 == rows[type.Name], $"{type.Name} has {elements - 3} fields, its row names {rows[type.Name]}");
        }
    }

    [Fact]
    public void Every_limit_stands_there_with_its_value()
    {
        foreach (var limit in typeof(ControlLimits).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            var value = ((int)limit.GetRawConstantValue()!).ToString("N0", CultureInfo.InvariantCulture);
            Assert.Contains($"| {value} | `{limit.Name}` |", Document, StringComparison.Ordinal);
        }

        Assert.Contains($"`version` is {ControlCodec.ProtocolVersion}.", Document, StringComparison.Ordinal);
        Assert.Contains($"They are {PeerCodec.Length} octets", Document, StringComparison.Ordinal);
        Assert.Contains($"string of 1 to {NodeId.MaxLength} of", Document, StringComparison.Ordinal);
    }

    [Fact]
    public void Enumerations_stand_there_with_their_numbers()
    {
        Values<AckStatus>("ack status");
        Values<AttachStatus>("attach status");
        Values<ConnectionState>("state");
        Values<LeaseAction>("lease action");
        Values<FamRole>("FAM role");
        Values<FamChoice>("FAM choice");
        Values<EapOutcome>("EAP outcome");
        Values<SessionProof>("session proof");
        Values<RoamingKeyOutcome>("roaming key outcome");
    }

    [Fact]
    public void Times_of_repetition_are_those_of_the_code()
    {
        var options = new OutboxOptions();
        var sentence = FormattableString.Invariant($"after {options.First.TotalMilliseconds} ms, then at doubling intervals up to {options.Maximum.TotalSeconds} s");
        Assert.Contains(sentence, Document, StringComparison.Ordinal);
    }

    /// <summary>In a diagram an arrow carries a message that exists, in a direction that its row allows.</summary>
    [Fact]
    public void Diagrams_use_messages_of_the_protocol()
    {
        var names = ControlCodec.TypeNumbers.Keys.Select(t => t.Name).Concat([nameof(Drain), nameof(Drained), nameof(Probe), nameof(Probed)]).ToHashSet(StringComparer.Ordinal);
        var ways = Rows().ToDictionary(r => r.Name, r => r.Way, StringComparer.Ordinal);
        var arrows = Arrow().Matches(Document);
        Assert.InRange(arrows.Count, 30, 200);
        foreach (Match arrow in arrows)
        {
            var name = arrow.Groups["name"].Value;
            Assert.Contains(name, names);
            if (ways.TryGetValue(name, out var way) && !way.Equals("either", StringComparison.Ordinal))
            {
                Assert.Equal(way, arrow.Groups["from"].Value is "C" ? "C→A" : "A→C");
            }
        }
    }

    private static void Values<T>(string row)
        where T : struct, Enum
    {
        var words = Enum.GetValues<T>().Select(v => $"{Convert.ToInt32(v, CultureInfo.InvariantCulture)} {Words().Replace(v.ToString(), " ${capital}").Trim().ToLowerInvariant()}");
        Assert.Contains($"| {row} | {string.Join(", ", words)} |", Document, StringComparison.Ordinal);
    }

    private static IEnumerable<(int Number, string Name, string Way, int Fields)> Rows() => Row().Matches(Document).Select(m => (
        int.Parse(m.Groups["number"].Value, CultureInfo.InvariantCulture),
        m.Groups["name"].Value,
        m.Groups["way"].Value,
        m.Groups["fields"].Value is "–" ? 0 : m.Groups["fields"].Value.Split(", ").Length));

    [GeneratedRegex(@"^\| (?<number>\d+) \| `(?<name>\w+)` \| (?<way>A→C|C→A|either) \| (?<fields>[^|]+?) \| [^|]+ \|$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Row();

    [GeneratedRegex(@"^ +(?<from>\w+)->>(?<to>\w+): (?<name>\w+)", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Arrow();

    [GeneratedRegex("(?<capital>[A-Z])", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Words();
}
