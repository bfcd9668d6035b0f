using Masquerade.Auth.Keys;

namespace Masquerade.Auth.KeyHolder;

/// <summary>
/// Records that wait, per session in their order: a session's next record is not sent before the one ahead of it is confirmed. A later interim record replaces one that still waits. Bounded. Not safe for several threads.
/// </summary>
internal sealed class AccountingQueue(int capacity)
{
    private readonly Dictionary<SessionId, LinkedList<AccountingRecord>> _sessions = [];
    private readonly LinkedList<SessionId> _ready = new();
    private readonly HashSet<SessionId> _underWay = [];

    public int Count { get; private set; }

    /// <summary>Adds a record; says what had to go for it, or that it was dropped itself.</summary>
    public AccountingCount? Add(AccountingRecord record)
    {
        var records = _sessions.GetValueOrDefault(record.Session);
        if (records?.Last is { } last && last.Value.Status == AccountingStatus.Interim && record.Status != AccountingStatus.Start && !IsFirstUnderWay(records, last))
        {
            last.Value = record;
            return AccountingCount.Superseded;
        }

        AccountingCount? dropped = null;
        if (Count >= capacity)
        {
            if (record.Status != AccountingStatus.Stop || !DropOneInterim())
            {
                return AccountingCount.QueueFull;
            }

            dropped = AccountingCount.QueueFull;
        }

        if (records is null)
        {
            _sessions.Add(record.Session, records = new LinkedList<AccountingRecord>());
            _ready.AddLast(record.Session);
        }

        records.AddLast(record);
        Count++;
        return dropped;
    }

    /// <summary>The next record that may be sent; it stays in the queue until <see cref="Done"/>.</summary>
    public AccountingRecord? Take()
    {
        if (_ready.First is not { } first)
        {
            return null;
        }

        _ready.RemoveFirst();
        _underWay.Add(first.Value);
        return _sessions[first.Value].First!.Value;
    }

    /// <summary>A record that was taken is done with, or is to be sent again.</summary>
    public void Done(AccountingRecord record, bool again)
    {
        var records = _sessions[record.Session];
        _underWay.Remove(record.Session);
        if (!again)
        {
            records.RemoveFirst();
            Count--;
        }

        if (records.Count == 0)
        {
            _sessions.Remove(record.Session);
        }
        else
        {
            _ready.AddLast(record.Session);
        }
    }

    private bool IsFirstUnderWay(LinkedList<AccountingRecord> records, LinkedListNode<AccountingRecord> node) =>
        ReferenceEquals(records.First, node) && _underWay.Contains(node.Value.Session);

    /// <summary>Makes room: some interim record, which its session's next one makes up for.</summary>
    private bool DropOneInterim()
    {
        foreach (var (session, records) in _sessions)
        {
            for (var node = records.First; node is not null; node = node.Next)
            {
                if (node.Value.Status == AccountingStatus.Interim && !IsFirstUnderWay(records, node))
                {
                    records.Remove(node);
                    Count--;
                    if (records.Count == 0)
                    {
                        _sessions.Remove(session);
                        _ready.Remove(session);
                    }

                    return true;
                }
            }
        }

        return false;
    }
}
