using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>
/// The policies that an access point has, compiled for now, and which client has which: what a FAM engine asks. A policy keeps its number while a client has it; one that nobody has makes room when it
/// is needed. Single-threaded, like the engine.
/// </summary>
public sealed class FilterTable : IClientFilter
{
    private readonly Slot[] _slots;
    private readonly Dictionary<MacAddress, int> _clients = [];
    private readonly int _maxClients;

    /// <summary>Creates a table without policies.</summary>
    /// <param name="maxPolicies">Policies at most, 1 to 65,535; each may take up to <see cref="FilterLimits.MaxProgramBytes"/>.</param>
    /// <param name="maxClients">Clients at most.</param>
    public FilterTable(int maxPolicies, int maxClients)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxPolicies);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxPolicies, ushort.MaxValue);
        _slots = new Slot[maxPolicies];
        _maxClients = maxClients;
    }

    /// <summary>When a policy says something else next, because of the time of day; null if none does.</summary>
    public DateTimeOffset? NextChange { get; private set; }

    /// <summary>Clients that have a policy.</summary>
    public int ClientCount => _clients.Count;

    /// <summary>Whether a policy is here.</summary>
    /// <param name="digest">Its <see cref="FilterPolicy.Digest"/>.</param>
    /// <param name="policy">Its number.</param>
    public bool TryFind(ReadOnlySpan<byte> digest, out int policy)
    {
        for (var i = 0; i < _slots.Length; i++)
        {
            if (_slots[i].Program is { } program && program.Policy.Digest.Span.SequenceEqual(digest))
            {
                policy = i + 1;
                return true;
            }
        }

        policy = IClientFilter.Unknown;
        return false;
    }

    /// <summary>Takes a policy in.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="local">The time at the site, with its distance from UTC.</param>
    /// <param name="number">Its number; <see cref="IClientFilter.Unknown"/>, by which nothing passes, if there is no room or the policy is too large.</param>
    public bool TryAdd(FilterPolicy policy, DateTimeOffset local, out int number)
    {
        if (TryFind(policy.Digest.Span, out number))
        {
            return true;
        }

        var free = Array.FindIndex(_slots, slot => slot.Program is null);
        free = free >= 0 ? free : Array.FindIndex(_slots, slot => slot.Clients == 0);
        if (free < 0 || FilterProgram.Compile(policy, local) is not { } program)
        {
            return false;
        }

        _slots[free].Program = program;
        number = free + 1;
        SetNextChange();
        return true;
    }

    /// <summary>Says which policy a client has. The engine is to be told (<c>SetPolicy</c>).</summary>
    /// <param name="client">The client.</param>
    /// <param name="policy">A number of this table, or <see cref="IClientFilter.Awaited"/>, or <see cref="IClientFilter.Unknown"/>, which forgets the client.</param>
    /// <returns>False if there is no such policy, or no room for the client: then it has none.</returns>
    public bool TryAssign(MacAddress client, int policy)
    {
        if (_clients.Remove(client, out var former) && former > 0)
        {
            _slots[former - 1].Clients--;
        }

        if (policy == IClientFilter.Unknown)
        {
            return true;
        }

        if (_clients.Count >= _maxClients || (policy != IClientFilter.Awaited && ProgramOf(policy) is null))
        {
            return false;
        }

        _clients[client] = policy;
        if (policy > 0)
        {
            _slots[policy - 1].Clients++;
        }

        return true;
    }

    /// <summary>Compiles again what the time of day has changed. The engine is to be told of each (<c>OnPolicyChanged</c>).</summary>
    /// <param name="local">The time at the site, with its distance from UTC.</param>
    /// <returns>The numbers of policies that may say something else now.</returns>
    public IReadOnlyList<int> Advance(DateTimeOffset local)
    {
        var changed = new List<int>();
        for (var i = 0; i < _slots.Length; i++)
        {
            // Set back, or moved to other hours, the clock makes another time of day as well.
            if (_slots[i].Program is { NextChange: { } next } program && (next <= local || next.Offset != local.Offset || next - local > TimeSpan.FromDays(7))
                && FilterProgram.Compile(program.Policy, local) is { } now)
            {
                _slots[i].Program = now;
                changed.Add(i + 1);
            }
        }

        SetNextChange();
        return changed;
    }

    /// <inheritdoc/>
    public int PolicyOf(MacAddress client) => _clients.GetValueOrDefault(client, IClientFilter.Unknown);

    /// <inheritdoc/>
    public FilterVerdict Judge(int policy, in FlowTuple tuple, FilterDirection direction) => ProgramOf(policy)?.Match(tuple, direction) ?? FilterVerdict.NoRule;

    /// <inheritdoc/>
    public RateLimit LimitOf(int policy, int bucket) =>
        ProgramOf(policy) is { } program && (uint)bucket < (uint)program.Limits.Count ? program.Limits[bucket] : new RateLimit(1, 1);

    /// <summary>Tells what becomes of a connection, and by which rule.</summary>
    /// <param name="policy">The client's policy.</param>
    /// <param name="tuple">Who opens it to whom.</param>
    /// <param name="direction">Which of the two is the client.</param>
    public string Explain(int policy, in FlowTuple tuple, FilterDirection direction) =>
        ProgramOf(policy)?.Explain(tuple, direction) ?? "denied: it is not known what the client may do";

    private FilterProgram? ProgramOf(int policy) => (uint)(policy - 1) < (uint)_slots.Length ? _slots[policy - 1].Program : null;

    private void SetNextChange()
    {
        NextChange = null;
        foreach (var slot in _slots)
        {
            if (slot.Program?.NextChange is { } next && (NextChange is null || next < NextChange))
            {
                NextChange = next;
            }
        }
    }

    private struct Slot
    {
        public FilterProgram? Program;
        public int Clients;
    }
}
