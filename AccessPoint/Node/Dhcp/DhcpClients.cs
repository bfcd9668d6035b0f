using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Dhcp;

/// <summary>
/// The clients that have asked something by DHCP a short time ago: what each asked last, so that only answers to questions pass, and how often, so that one client can neither flood
/// the site's server nor fill this table for others.
/// </summary>
internal sealed class DhcpClients
{
    /// <summary>The most clients at once. More than <see cref="PerSecond"/> lets in within <see cref="Lifetime"/>.</summary>
    public const int Capacity = 4_096;

    /// <summary>How long an answer may take (RFC 2131 section 4.1: clients wait 4, 8, 16 … seconds).</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(15);

    /// <summary>A client's questions: this many in a row, and one more each second.</summary>
    public const int ClientBurst = 8;

    /// <summary>Questions of all clients in a second; ten times as many clients wait their turn, for they ask again.</summary>
    public const int PerSecond = 200;

    private readonly Dictionary<MacAddress, Entry> _entries = [];
    private readonly Queue<(MacAddress Client, Instant Until)> _order = new();
    private Bucket _all = new(PerSecond);

    /// <summary>Clients remembered.</summary>
    public int Count => _entries.Count;

    /// <summary>Takes a client's question, or says why not.</summary>
    public DropReason TryAsk(MacAddress client, uint transaction, Instant now)
    {
        Forget(now);
        if (!_entries.TryGetValue(client, out var entry))
        {
            if (_entries.Count >= Capacity)
            {
                return DropReason.TableFull;
            }

            entry = new Entry();
        }

        // A client's own limit first: who is over it takes nothing from the others.
        if (!entry.Bucket.TryTake(ClientBurst, perSecond: 1, now) || !_all.TryTake(PerSecond, PerSecond, now))
        {
            return DropReason.TooOften;
        }

        if (_entries.TryAdd(client, entry))
        {
            _order.Enqueue((client, now + Lifetime));
        }

        (entry.Transaction, entry.Asked) = (transaction, now);
        return DropReason.None;
    }

    /// <summary>Whether an answer is one to the client's last question.</summary>
    public bool IsAwaited(MacAddress client, uint transaction, Instant now) =>
        _entries.TryGetValue(client, out var entry) && entry.Transaction == transaction && now - entry.Asked < Lifetime;

    private void Forget(Instant now)
    {
        while (_order.TryPeek(out var oldest) && oldest.Until <= now)
        {
            _order.Dequeue();
            var until = _entries[oldest.Client].Asked + Lifetime;
            if (until <= now)
            {
                _entries.Remove(oldest.Client);
            }
            else
            {
                _order.Enqueue((oldest.Client, until));
            }
        }
    }

    private sealed class Entry
    {
        public Bucket Bucket = new(ClientBurst);

        public uint Transaction { get; set; }

        public Instant Asked { get; set; }
    }

    /// <summary>Tokens that come back with time.</summary>
    private struct Bucket(double tokens)
    {
        private double _tokens = tokens;
        private Instant _filled;

        public bool TryTake(int most, int perSecond, Instant now)
        {
            _tokens = Math.Min(most, _tokens + (Math.Max(0, (now - _filled).TotalSeconds) * perSecond));
            _filled = now;
            if (_tokens < 1)
            {
                return false;
            }

            _tokens--;
            return true;
        }
    }
}
