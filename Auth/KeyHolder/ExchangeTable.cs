namespace Masquerade.Auth.KeyHolder;

/// <summary>
/// The exchanges that are under way: bounded, each with a deadline. Whoever has only begun (which costs a spoofer one frame) makes room for others; whoever has answered a challenge stays.
/// Three lists in the order of their deadlines, because all exchanges of one stage have the same patience. Not safe for several threads.
/// </summary>
internal sealed class ExchangeTable(int capacity, TimeSpan patience, TimeSpan hold, TimeProvider time)
{
    private readonly Dictionary<ExchangeName, Exchange> _all = [];
    private readonly LinkedList<Exchange>[] _stages = [new(), new(), new()];

    public int Count => _all.Count;

    public int CountOf(ExchangeState stage) => _stages[(int)stage].Count;

    public Exchange? Find(ExchangeName name) => _all.GetValueOrDefault(name);

    /// <summary>Whether one more has room; else the one that must go first, or null if none may.</summary>
    public bool HasRoom(out Exchange? displaced)
    {
        displaced = null;
        if (_all.Count < capacity)
        {
            return true;
        }

        displaced = _stages[(int)ExchangeState.Begun].First?.Value ?? _stages[(int)ExchangeState.Ended].First?.Value;
        return false;
    }

    public void Add(Exchange exchange)
    {
        _all.Add(exchange.Name, exchange);
        exchange.Place = new LinkedListNode<Exchange>(exchange);
        Move(exchange, ExchangeState.Begun);
    }

    /// <summary>The exchange has said something: its time begins anew, in this stage.</summary>
    public void Move(Exchange exchange, ExchangeState stage)
    {
        exchange.Place!.List?.Remove(exchange.Place);
        exchange.Stage = stage;
        exchange.Deadline = time.GetTimestamp() + (long)((stage == ExchangeState.Ended ? hold : patience).TotalSeconds * time.TimestampFrequency);
        _stages[(int)stage].AddLast(exchange.Place);
    }

    public void Remove(Exchange exchange)
    {
        if (_all.Remove(exchange.Name))
        {
            exchange.Place!.List!.Remove(exchange.Place);
        }
    }

    /// <summary>Any of them; null if there is none.</summary>
    public Exchange? Any() => _all.Values.FirstOrDefault();

    /// <summary>The next one whose time is over; null if there is none.</summary>
    public Exchange? NextExpired()
    {
        var now = time.GetTimestamp();
        foreach (var stage in _stages)
        {
            if (stage.First?.Value is { } first && first.Deadline <= now)
            {
                return first;
            }
        }

        return null;
    }
}
