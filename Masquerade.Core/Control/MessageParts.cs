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
            if (!room.TryTake(record.Connections.Count))
            {
                yield return part;
                part = [];
                room = new RecordRoom();
                room.TryTake(record.Connections.Count);
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

    /// <summary>Takes room for a record with so many connections, at most <see cref="ControlLimits.MaxConnectionsPerMapping"/>; false if there is none left.</summary>
    public bool TryTake(int connections)
    {
        if (_records == ControlLimits.MaxMappingsPerMessage || _connections + connections > ControlLimits.MaxConnectionsPerMessage)
        {
            return false;
        }

        _records++;
        _connections += connections;
        return true;
    }
}
