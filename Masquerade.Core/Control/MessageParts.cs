namespace Masquerade.Core.Control;

/// <summary>
/// Cuts what is too much for one message into several. One mapping may have thousands of connections, so the number of records alone bounds nothing; and a message above a
/// limit would never be taken, however often it is repeated. Receivers take each part by itself.
/// </summary>
public static class MessageParts
{
    /// <summary>The records in as many parts as messages are needed, in their order; no part if there is no record.</summary>
    public static IEnumerable<IReadOnlyList<MappingRecord>> OfRecords(IEnumerable<MappingRecord> records)
    {
        var part = new List<MappingRecord>();
        var room = new RecordRoom();
        foreach (var record in records)
        {
            if (!room.TryTake(record))
            {
                yield return part;
                part = [];
                room = new RecordRoom();
                room.TryTake(record);
            }

            part.Add(record);
        }

        if (part.Count > 0)
        {
            yield return part;
        }
    }

    /// <summary>A list in parts of a size, in its order; one empty part if it is empty.</summary>
    public static IEnumerable<IReadOnlyList<T>> Of<T>(IReadOnlyList<T> list, int size)
    {
        if (list.Count <= size)
        {
            yield return list;
            yield break;
        }

        for (var start = 0; start < list.Count; start += size)
        {
            var part = new T[Math.Min(size, list.Count - start)];
            for (var i = 0; i < part.Length; i++)
            {
                part[i] = list[start + i];
            }

            yield return part;
        }
    }
}

/// <summary>How many more mapping records one message holds.</summary>
public struct RecordRoom
{
    private int _records;
    private int _connections;

    /// <summary>How much room a record takes besides its own, in connections: a filter is no longer than one, a helper's note as long as some.</summary>
    public static int WeightOf(MappingRecord record)
    {
        var weight = record.Connections.Count + (record.Explicit?.Filters.Count ?? 0);
        for (var i = 0; i < record.Connections.Count; i++)
        {
            weight += record.Connections[i].Note?.Weight ?? 0;
        }

        return weight;
    }

    /// <summary>Takes room for a record, whose connections keep to <see cref="ControlLimits.MaxConnectionsPerMapping"/>; false if there is none left.</summary>
    public bool TryTake(MappingRecord record)
    {
        var weight = WeightOf(record);
        if (_records == ControlLimits.MaxMappingsPerMessage || _connections + weight > ControlLimits.MaxConnectionsPerMessage)
        {
            return false;
        }

        _records++;
        _connections += weight;
        return true;
    }
}
