using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>
/// A policy as a flat matcher for one span of time. Each field of a connection leads to a row of bits that says which rules take it; the lowest bit that is set in all rows is the first rule that matches
/// (Lakshman and Stiliadis, SIGCOMM 1998). The cost is two searches in sorted addresses (a field that no rule looks at costs none), two table reads for each port, and an AND of one word for each
/// 64 rules, eight of them at once. Nothing is allocated. A program does not change: any number of threads may ask it.
/// </summary>
public sealed class FilterProgram
{
    private const int Protocols = 4;

    /// <summary>The protocol that no rule takes.</summary>
    private const int NoProtocol = 3;

    private readonly ulong[] _rows;
    private readonly int _words;

    /// <summary>Rows by direction and protocol.</summary>
    private readonly int[] _kinds;
    private readonly AddressClasses? _local;
    private readonly AddressClasses? _remote;
    private readonly PortClasses? _localPorts;
    private readonly PortClasses? _remotePorts;

    /// <summary>What each entry leads to; behind the last one (with one word: in all that are left of 65, for that many zeros has a word without a bit), that no rule matches.</summary>
    private readonly FilterVerdict[] _verdicts;
    private readonly RateLimit[] _limits;

    private FilterProgram(FilterPolicy policy, List<Entry> entries, BitRows rows, RateLimit[] limits)
    {
        Policy = policy;
        _words = rows.Words;
        _limits = limits;
        _verdicts = [.. entries.Select(entry => entry.Verdict), .. Enumerable.Repeat(FilterVerdict.NoRule, _words == 1 ? 65 - entries.Count : 1)];
        _kinds = new int[2 * Protocols];
        var bits = new ulong[_words];
        for (var kind = 0; kind < _kinds.Length; kind++)
        {
            Array.Clear(bits);
            for (var i = 0; i < entries.Count; i++)
            {
                if (entries[i].Takes((FilterDirection)(kind / Protocols), kind % Protocols))
                {
                    BitRows.Set(bits, i);
                }
            }

            _kinds[kind] = rows.Add(bits) * _words;
        }

        _local = entries.Exists(entry => !entry.Local.IsAny) ? new AddressClasses([.. entries.Select(entry => entry.Local)], rows) : null;
        _remote = entries.Exists(entry => !entry.Remote.IsAny) ? new AddressClasses([.. entries.Select(entry => entry.Remote)], rows) : null;
        _localPorts = entries.Exists(entry => entry.LocalPorts.Count > 0) ? new PortClasses([.. entries.Select(entry => entry.LocalPorts)], rows) : null;
        _remotePorts = entries.Exists(entry => entry.RemotePorts.Count > 0) ? new PortClasses([.. entries.Select(entry => entry.RemotePorts)], rows) : null;
        _rows = rows.Flatten();
    }

    /// <summary>What it was made from.</summary>
    public FilterPolicy Policy { get; }

    /// <summary>When the policy must be compiled again, because rules begin or cease to hold; null if never.</summary>
    public DateTimeOffset? NextChange { get; private init; }

    /// <summary>The policy's limits, by <see cref="FilterVerdict.Bucket"/>.</summary>
    public IReadOnlyList<RateLimit> Limits => _limits;

    /// <summary>Octets of bit rows.</summary>
    public int RowBytes => _rows.Length * sizeof(ulong);

    /// <summary>Compiles a policy.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="local">The time at the site, with its distance from UTC: which rules hold. When that distance changes, the caller compiles again.</param>
    /// <returns>The program; null if its rows would take more than <see cref="FilterLimits.MaxProgramBytes"/>.</returns>
    public static FilterProgram? Compile(FilterPolicy policy, DateTimeOffset local) => Compile(policy, local, holdAll: false);

    /// <summary>Whether a policy can be compiled at whatever time.</summary>
    public static bool Fits(FilterPolicy policy) => Compile(policy, default, holdAll: true) is not null;

    private static FilterProgram? Compile(FilterPolicy policy, DateTimeOffset local, bool holdAll)
    {
        var minute = RuleTimes.MinuteOf(local);
        var change = int.MaxValue;
        var entries = new List<Entry>();
        var limits = new List<RateLimit>();
        for (var i = 0; i < policy.Rules.Count; i++)
        {
            var rule = policy.Rules[i];
            var bucket = -1;
            if (rule.Action == FilterAction.Limit)
            {
                // Numbered whether or not the rule holds now: a bucket stays the same one when the time of day changes.
                bucket = limits.Count;
                limits.Add(rule.Limit);
            }

            change = Math.Min(change, rule.Times.MinutesToChange(minute));
            if (holdAll || rule.Times.HoldsAt(minute))
            {
                AddEntries(entries, rule, new FilterVerdict(rule.Action, i, bucket));
            }
        }

        var rows = new BitRows(entries.Count);
        var program = new FilterProgram(policy, entries, rows, [.. limits])
        {
            NextChange = change == int.MaxValue || holdAll ? null : new DateTimeOffset(local.Ticks - (local.Ticks % TimeSpan.TicksPerMinute), local.Offset).AddMinutes(change),
        };
        return rows.IsTooLarge ? null : program;
    }

    /// <summary>What becomes of a connection.</summary>
    /// <param name="tuple">Who opens it (source) to whom (destination), at the client's own endpoint.</param>
    /// <param name="direction">Whether the client opens it, or the far end.</param>
    public FilterVerdict Match(in FlowTuple tuple, FilterDirection direction)
    {
        var protocol = ProtocolOf(tuple.Protocol);
        return direction == FilterDirection.Out
            ? MatchRows(_kinds[protocol], tuple.Source, tuple.Destination)
            : MatchRows(_kinds[Protocols + protocol], tuple.Destination, tuple.Source);
    }

    /// <summary>Tells which rule decides about a connection.</summary>
    /// <param name="tuple">As for <see cref="Match"/>.</param>
    /// <param name="direction">As for <see cref="Match"/>.</param>
    public string Explain(in FlowTuple tuple, FilterDirection direction)
    {
        var verdict = Match(tuple, direction);
        return verdict.Rule < 0
            ? $"denied: no rule of policy {Policy.Name} matches"
            : string.Create(CultureInfo.InvariantCulture, $"{(verdict.Action == FilterAction.Deny ? "denied" : "allowed")} by policy {Policy.Name} rule {verdict.Rule + 1}: {Policy.Rules[verdict.Rule].Text}");
    }

    private FilterVerdict MatchRows(int kind, in TransportEndpoint local, in TransportEndpoint remote)
    {
        var a = _remote is null ? 0 : _remote.RowOf(remote.Address);
        var b = _remotePorts is null ? 0 : _remotePorts.RowOf(remote.Port);
        var c = _local is null ? 0 : _local.RowOf(local.Address);
        var d = _localPorts is null ? 0 : _localPorts.RowOf(local.Port);
        return _verdicts[_words == 1 ? BitOperations.TrailingZeroCount(_rows[kind] & _rows[a] & _rows[b] & _rows[c] & _rows[d]) : FirstOf(kind, a, b, c, d)];
    }

    private int FirstOf(int kind, int a, int b, int c, int d)
    {
        ref var rows = ref MemoryMarshal.GetArrayDataReference(_rows);
        for (var word = 0; word < _words; word += Vector512<ulong>.Count)
        {
            // Rows are whole vectors, and all five begin at one of them.
            var bits = Vector512.LoadUnsafe(ref rows, (nuint)(kind + word)) & Vector512.LoadUnsafe(ref rows, (nuint)(a + word)) & Vector512.LoadUnsafe(ref rows, (nuint)(b + word))
                & Vector512.LoadUnsafe(ref rows, (nuint)(c + word)) & Vector512.LoadUnsafe(ref rows, (nuint)(d + word));
            if (bits == Vector512<ulong>.Zero)
            {
                continue;
            }

            var first = BitOperations.TrailingZeroCount(~Vector512.Equals(bits, Vector512<ulong>.Zero).ExtractMostSignificantBits());
            return ((word + first) * 64) + BitOperations.TrailingZeroCount(bits.GetElement(first));
        }

        return _verdicts.Length - 1;
    }

    /// <summary>Without branches: which protocol comes next cannot be guessed.</summary>
    private static int ProtocolOf(TransportProtocol protocol) =>
        NoProtocol - (protocol == TransportProtocol.Tcp ? 3 : 0) - (protocol == TransportProtocol.Udp ? 2 : 0) - (protocol == TransportProtocol.Icmp ? 1 : 0);

    /// <summary>A rule for both directions is two entries: what is the client's end in one is the far end in the other.</summary>
    private static void AddEntries(List<Entry> entries, FilterRule rule, FilterVerdict verdict)
    {
        if ((rule.Direction & RuleDirection.Out) != 0)
        {
            entries.Add(new Entry(verdict, FilterDirection.Out, rule.Protocol, rule.From, rule.FromPorts, rule.To, rule.ToPorts));
        }

        if ((rule.Direction & RuleDirection.In) != 0)
        {
            entries.Add(new Entry(verdict, FilterDirection.In, rule.Protocol, rule.To, rule.ToPorts, rule.From, rule.FromPorts));
        }
    }

    private sealed record Entry(
        FilterVerdict Verdict, FilterDirection Direction, TransportProtocol? Protocol, AddressMatch Local, IReadOnlyList<PortRange> LocalPorts, AddressMatch Remote,
        IReadOnlyList<PortRange> RemotePorts)
    {
        public bool Takes(FilterDirection direction, int protocol) => Direction == direction && protocol != NoProtocol && (Protocol is null || ProtocolOf(Protocol.Value) == protocol);
    }
}
