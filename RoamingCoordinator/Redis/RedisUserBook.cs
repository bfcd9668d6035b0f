using System.Globalization;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>Who is denied and which policies hold, at one moment.</summary>
/// <param name="Version">Grows with every change; 0: nothing has ever been written.</param>
/// <param name="Denied">Users who are denied.</param>
/// <param name="Policies">The policy document in UTF-8; empty: there is none.</param>
/// <param name="Tag">Names the document.</param>
/// <param name="Generation">The version in which the document was written.</param>
/// <param name="Failure">Anything but none: the store could not tell.</param>
public sealed record SharedUsers(ulong Version, IReadOnlyList<string> Denied, ReadOnlyMemory<byte> Policies, string Tag, ulong Generation, StoreFailure Failure = StoreFailure.None);

/// <summary>What became of an order about users.</summary>
public enum BookOutcome
{
    /// <summary>The store has kept it.</summary>
    Kept,

    /// <summary>The store has lost what is known here; it must be put back first.</summary>
    Lost,

    /// <summary>Too many users are denied, or other policies hold than those expected: nothing has changed.</summary>
    Refused,

    /// <summary>The store could not: nothing has changed.</summary>
    Failed,

    /// <summary>The store has not said whether it has kept it.</summary>
    Unsure,
}

/// <summary>What became of an order about users.</summary>
/// <param name="Outcome">What.</param>
/// <param name="Version">With <see cref="BookOutcome.Kept"/>: the version that it has made.</param>
public readonly record struct BookAnswer(BookOutcome Outcome, ulong Version);

/// <summary>
/// The denials and the policies of all coordinators over one Redis (decision 42), in one slot, so that each act is one script. They do not expire. Who changes them tells the others, and each reads them again from time to time;
/// what the store has lost any coordinator puts back from its memory.
/// </summary>
public sealed class RedisUserBook
{
    private const string KeyPart = "{users}:";

    /// <summary>The text of a policy is asked for soon after somebody was told its name.</summary>
    private static readonly TimeSpan TextLease = TimeSpan.FromDays(1);

    private readonly RedisClientStore _store;
    private readonly RedisPeers _peers;
    private readonly string _prefix;
    private readonly RedisKey[] _keys;

    /// <summary>Uses the connection of a client store.</summary>
    /// <param name="store">The store.</param>
    /// <param name="peers">The other coordinators, who are told of changes.</param>
    /// <param name="options">The store's options.</param>
    public RedisUserBook(RedisClientStore store, RedisPeers peers, RedisOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_store, _peers, _prefix) = (store, peers, options.Prefix + KeyPart);
        _keys = [_prefix + "denied", _prefix + "policies", _prefix + "version"];
    }

    /// <summary>Reads all of it.</summary>
    public async Task<SharedUsers> ReadAsync()
    {
        var reply = await _store.Link.RunAsync(Script.UsersRead, _keys, []).ConfigureAwait(false);
        var nothing = new SharedUsers(0, [], ReadOnlyMemory<byte>.Empty, string.Empty, 0, reply.Failure);
        if (reply.Failure != StoreFailure.None)
        {
            return nothing;
        }

        var parts = (RedisResult[]?)reply.Value ?? [];
        return parts.Length == 5 && TryNumber(parts[0], out var version) && TryNumber(parts[4], out var generation)
            ? new SharedUsers(version, (string[]?)parts[1] ?? [], (byte[]?)parts[2] ?? [], (string?)parts[3] ?? string.Empty, generation)
            : nothing with { Failure = StoreFailure.Garbage };
    }

    /// <summary>Denies a user, or does no more.</summary>
    /// <param name="user">The user; names are the same in upper and lower case.</param>
    /// <param name="denied">Whether he is.</param>
    /// <param name="most">How many may be.</param>
    /// <param name="asOf">The version that is known.</param>
    public async Task<BookAnswer> DenyAsync(string user, bool denied, int most, ulong asOf) => Tell(await _store.Link.RunAsync(
        Script.UsersDeny, _keys, [Text(asOf), Lower(user), user, denied ? "1" : "0", most]).ConfigureAwait(false));

    /// <summary>Replaces the policies.</summary>
    /// <param name="document">The document.</param>
    /// <param name="tag">Its tag.</param>
    /// <param name="expected">The tag of the document that must hold; null: whatever holds.</param>
    /// <param name="asOf">The version that is known.</param>
    public async Task<BookAnswer> ApplyAsync(ReadOnlyMemory<byte> document, string tag, string? expected, ulong asOf) => Tell(await _store.Link.RunAsync(
        Script.UsersApply, _keys, [Text(asOf), document.ToArray(), tag, expected ?? string.Empty]).ConfigureAwait(false));

    /// <summary>Puts back what is known here, unless the store knows as much. False: it could not.</summary>
    public async Task<bool> RestoreAsync(SharedUsers known)
    {
        ArgumentNullException.ThrowIfNull(known);
        var reply = await _store.Link.RunAsync(
            Script.UsersRestore,
            _keys,
            [Text(known.Version), known.Policies.ToArray(), known.Tag, Text(known.Generation), .. known.Denied.SelectMany(name => new RedisValue[] { Lower(name), name })]).ConfigureAwait(false);
        if (reply.Failure != StoreFailure.None)
        {
            return false;
        }

        if ((long)reply.Value == 1)
        {
            _peers.TellUsersChanged();
        }

        return true;
    }

    /// <summary>Keeps the text of a policy, so that whichever coordinator is asked for it has it.</summary>
    public void KeepText(ReadOnlySpan<byte> name, ReadOnlyMemory<byte> text) => _ = _store.Link.RunAsync(Script.UsersText, [TextKey(name)], [text.ToArray(), (long)TextLease.TotalMilliseconds]);

    /// <summary>The text of a policy; null: there is none, or the store cannot tell.</summary>
    public async Task<byte[]?> FindTextAsync(ReadOnlyMemory<byte> name)
    {
        var reply = await _store.Link.RunAsync(static (database, key) => database.StringGetAsync(key), TextKey(name.Span)).ConfigureAwait(false);
        return reply.Failure == StoreFailure.None ? (byte[]?)reply.Value : null;
    }

    private static bool TryNumber(RedisResult value, out ulong number) => ulong.TryParse((string?)value, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static string Text(ulong number) => number.ToString(CultureInfo.InvariantCulture);

#pragma warning disable CA1308 // A name's form in the store, as the files of denied users compare them.
    private static string Lower(string name) => name.ToLowerInvariant();
#pragma warning restore CA1308

    private RedisKey TextKey(ReadOnlySpan<byte> name) => $"{_prefix}text:{Convert.ToHexStringLower(name)}";

    private BookAnswer Tell(Reply<RedisResult> reply)
    {
        var outcome = reply.Failure switch
        {
            StoreFailure.None => (long)reply.Value switch
            {
                -1 => BookOutcome.Lost,
                -2 => BookOutcome.Refused,
                _ => BookOutcome.Kept,
            },
            StoreFailure.TimedOut or StoreFailure.Unreachable => BookOutcome.Unsure,
            _ => BookOutcome.Failed,
        };
        if (outcome is BookOutcome.Kept or BookOutcome.Unsure)
        {
            _peers.TellUsersChanged();
        }

        return new BookAnswer(outcome, outcome == BookOutcome.Kept ? (ulong)(long)reply.Value : 0);
    }
}
