using Masquerade.Core.Control;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>
/// Keeps messages within a frame. One mapping may have thousands of connections, so the number of mappings alone bounds nothing; and a message above the frame limit
/// would never arrive, however often it is repeated.
/// </summary>
internal static class Budget
{
    /// <summary>Octets of a mapping record without its connections: three endpoints, a node name of full length, numbers.</summary>
    private const int MappingBytes = 192;

    /// <summary>Octets of a connection: an IPv6 endpoint, state, idle time.</summary>
    private const int ConnectionBytes = 40;

    /// <summary>Leaves room in a frame for what else is in the message.</summary>
    private const int MessageBytes = ControlLimits.MaxFrameBytes * 3 / 4;

    /// <summary>The records from the first on that fit one message.</summary>
    public static IReadOnlyList<MappingRecord> Fill(IEnumerable<MappingRecord> records) => Split(records).FirstOrDefault() ?? [];

    /// <summary>The records in as many parts as messages are needed.</summary>
    public static IEnumerable<IReadOnlyList<MappingRecord>> Split(IEnumerable<MappingRecord> records)
    {
        var part = new List<MappingRecord>();
        var bytes = 0;
        foreach (var record in records)
        {
            var cost = MappingBytes + (record.Connections.Count * ConnectionBytes);
            if (part.Count > 0 && (bytes + cost > MessageBytes || part.Count == ControlLimits.MaxMappingsPerMessage))
            {
                yield return part;
                part = [];
                bytes = 0;
            }

            part.Add(record);
            bytes += cost;
        }

        if (part.Count > 0)
        {
            yield return part;
        }
    }
}
