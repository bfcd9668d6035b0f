using System.Globalization;
using System.Security.Cryptography;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>A state of the book. Numbers repeat where a store has gone back in time and goes on from there; stamps, which are random, do not.</summary>
/// <param name="Version">Grows with every change; 0: nothing has ever been written.</param>
/// <param name="Stamp">Of this change alone.</param>
public readonly record struct BookMark(ulong Version, string Stamp)
{
    /// <summary>Nothing is known of the book.</summary>
    public static BookMark None => new(0, string.Empty);
}

/// <summary>Who is denied and which policies hold, at one moment.</summary>
/// <param name="Mark">Which moment.</param>
/// <param name="Denied">Users who are denied.</param>
/// <param name="Policies">The policy document in UTF-8; empty: there is none.</param>
/// <param name="Tag">Names the document.</param>
/// <param name="Generation">The version in which the document was written; 0: it never was.</param>
/// <param name="Follows">Whether the state that was known came before it in the same history.</param>
/// <param name="Failure">Anything but none: the store could not tell.</param>
public sealed record SharedUsers(BookMark Mark, IReadOnlyList<string> Denied, ReadOnlyMemory<byte> Policies, string Tag, ulong Generation, bool Follows = false, StoreFailure Failure = StoreFailure.None);

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
/// <param name="Mark">With <see cref="BookOutcome.Kept"/>: the state that it has made.</param>
public readonly record struct BookAnswer(BookOutcome Outcome, BookMark Mark);

/// <summary>
/// The denials and the policies of all coordinators over one Redis (decision 42), in one key, so that each act is one script and all of it is there or nothing. They do not expire. Who changes them tells the others, and each reads them again from time to time;
/// what the store has lost any coordinator puts back from its memory.
/// </summary>
public sealed class RedisUserBook
{
    private const string KeyPart = "{users}:";

    /// <summary>How long a text is kept: it is asked for soon after somebody was told its name.</summary>
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
        _keys = [_prefix + "book"];
    }

    /// <summary>Reads all of it.</summary>
    /// <param name="known">The state that is known.</param>
    public async Task<SharedUsers> ReadAsync(BookMark known)
    {
        var reply = await _store.Link.RunAsync(Script.UsersRead, _keys, [Text(known.Version), known.Stamp]).ConfigureAwait(false);
        var nothing = new SharedUsers(BookMark.None, [], ReadOnlyMemory<byte>.Empty, string.Empty, 0, Failure: reply.Failure);
        if (reply.Failure != StoreFailure.None)
        {
            return nothing;
        }

        var parts = (RedisResult[]?)reply.Value ?? [];
        return parts.Length == 7 && TryNumber(parts[0], out var version) && TryNumber(parts[6], out var generation)
            ? new SharedUsers(
                new BookMark(version, (string?)parts[1] ?? string.Empty),
                (string[]?)parts[3] ?? [],
                (byte[]?)parts[4] ?? [],
                (string?)parts[5] ?? string.Empty,
                generation,
                string.Equals((string?)parts[2], "1", StringComparison.Ordinal))
            : nothing with { Failure = StoreFailure.Garbage };
    }

    /// <summary>Denies a user, or does no more.</summary>
    /// <param name="user">The user; names are the same in upper and lower case.</param>
    /// <param name="denied">Whether he is.</param>
    /// <param name="most">How many may be.</param>
    /// <param name="asOf">The state that is known.</param>
    public Task<BookAnswer> DenyAsync(string user, bool denied, int most, BookMark asOf) => RunAsync(Script.UsersDeny, asOf, [Lower(user), user, denied ? "1" : "0", most]);

    /// <summary>Replaces the policies.</summary>
    /// <param name="document">The document.</param>
    /// <param name="tag">Its tag.</param>
    /// <param name="expected">The tag of the document that must hold; empty: there must be none; null: whatever holds.</param>
    /// <param name="asOf">The state that is known.</param>
    public Task<BookAnswer> ApplyAsync(ReadOnlyMemory<byte> document, string tag, string? expected, BookMark asOf) =>
        RunAsync(Script.UsersApply, asOf, [document.ToArray(), tag, expected is null ? "any" : expected.Length == 0 ? "none" : "=" + expected]);

    /// <summary>Puts back what is known here, unless it is in the store. What is there is not taken away. False: the store could not.</summary>
    /// <param name="known">What is known; without a mark it begins a book that is empty.</param>
    /// <param name="highest">The highest version that has been seen.</param>
    public async Task<bool> RestoreAsync(SharedUsers known, ulong highest)
    {
        ArgumentNullException.ThrowIfNull(known);
        var reply = await _store.Link.RunAsync(
            Script.UsersRestore,
            _keys,
            [
                Text(known.Mark.Version), known.Mark.Stamp, Stamp(), Text(highest), known.Policies.ToArray(), known.Tag, Text(known.Generation),
                .. known.Denied.SelectMany(name => new RedisValue[] { Lower(name), name }),
            ]).ConfigureAwait(false);
        if (reply.Failure != StoreFailure.None)
        {
            return false;
        }

        if ((long)reply.Value > 0)
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

    private static string Stamp() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    private async Task<BookAnswer> RunAsync(string script, BookMark asOf, RedisValue[] arguments)
    {
        var stamp = Stamp();
        var reply = await _store.Link.RunAsync(script, _keys, [Text(asOf.Version), asOf.Stamp, stamp, .. arguments]).ConfigureAwait(false);
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

        return new BookAnswer(outcome, outcome == BookOutcome.Kept ? new BookMark((ulong)(long)reply.Value, stamp) : BookMark.None);
    }
}
