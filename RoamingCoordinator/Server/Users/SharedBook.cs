using System.Threading.Channels;
using Masquerade.Auth.Filter;
using Masquerade.RoamingCoordinator.Redis;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>
/// Denials and policies where several coordinators share a store (decision 42): the store's are everybody's, files only begin them. An order is answered when the store has it; each coordinator follows what the others order, and
/// tells the access points that are connected to it.
/// </summary>
internal sealed class SharedBook(RedisUserBook book, DeniedUsers denied, PolicyDesk desk, ChannelWriter<SessionInput> loop, Action<string, string> log)
{
    private const string CopyFailed = "users: the store has who is denied; its copy in users.deniedFile cannot be written";

    private readonly Lock _gate = new();
    private ulong _known;
    private bool _hasBegun;
    private bool _isFollowing;
    private bool _hasMore;
    private bool _isSilent;

    /// <summary>Reads what holds, or begins it. Where the store cannot tell, what is in files holds until it can; access points are not let in before then.</summary>
    public Task StartAsync() => FollowOnceAsync();

    /// <summary>Something may have changed.</summary>
    public void Follow()
    {
        lock (_gate)
        {
            if (_isFollowing)
            {
                _hasMore = true;
                return;
            }

            _isFollowing = true;
        }

        _ = Task.Run(FollowOnAsync);
    }

    /// <summary>Denies a user, or does no more. In the loop of the coordinator <paramref name="done"/> is called when everybody may hear of it.</summary>
    public void Deny(string user, bool isDenied, Action<UserChangeOutcome> done) => _ = DenyAsync(user, isDenied, done);

    /// <summary>Keeps a policy document for all.</summary>
    public async Task<BookAnswer> KeepAsync(PolicyFile file, string? expected)
    {
        var answer = await OrderAsync(known => book.ApplyAsync(file.Text, file.Tag, expected, known)).ConfigureAwait(false);
        if (answer.Outcome != BookOutcome.Kept)
        {
            // Whatever holds there is not what is known here, or nobody knows.
            Follow();
        }

        return answer;
    }

    /// <summary>Keeps the text of a policy for whichever coordinator is asked for it.</summary>
    public void KeepText(ReadOnlySpan<byte> name, ReadOnlyMemory<byte> text) => book.KeepText(name, text);

    /// <summary>The text of a policy that another coordinator has told an access point of; null if there is none.</summary>
    public Task<byte[]?> FindTextAsync(ReadOnlyMemory<byte> name) => book.FindTextAsync(name);

    private async Task DenyAsync(string user, bool isDenied, Action<UserChangeOutcome> done)
    {
        var answer = await OrderAsync(known => book.DenyAsync(user, isDenied, DeniedUsers.MaxUsers, known)).ConfigureAwait(false);
        var outcome = answer.Outcome switch
        {
            BookOutcome.Kept => UserChangeOutcome.Done,
            BookOutcome.Refused => UserChangeOutcome.Refused,
            BookOutcome.Unsure => UserChangeOutcome.Unsure,
            _ => UserChangeOutcome.Failed,
        };
        await PostAsync(() =>
        {
            if (outcome == UserChangeOutcome.Done)
            {
                if (!denied.Set(user, isDenied))
                {
                    log("warning", CopyFailed);
                }
            }

            done(outcome);
        }).ConfigureAwait(false);
        Follow();
    }

    private async Task<BookAnswer> OrderAsync(Func<ulong, Task<BookAnswer>> order)
    {
        var answer = await order(Known).ConfigureAwait(false);
        if (answer.Outcome == BookOutcome.Lost && await RestoreAsync().ConfigureAwait(false))
        {
            answer = await order(Known).ConfigureAwait(false);
        }

        if (answer.Outcome == BookOutcome.Kept)
        {
            lock (_gate)
            {
                _known = Math.Max(_known, answer.Version);
            }
        }

        return answer;
    }

    private ulong Known
    {
        get
        {
            lock (_gate)
            {
                return _known;
            }
        }
    }

    private Task<bool> RestoreAsync()
    {
        log("warning", "users: the store has lost who is denied and which policies hold; what is known here is put back");
        return book.RestoreAsync(Mine(Math.Max(1, Known)));
    }

    private SharedUsers Mine(ulong version)
    {
        var file = desk.File;
        return desk.IsOfSite
            ? new SharedUsers(version, denied.Names, file.Text, file.Tag, Math.Clamp(desk.Generation, 1, version))
            : new SharedUsers(version, denied.Names, ReadOnlyMemory<byte>.Empty, string.Empty, 0);
    }

    private async Task FollowOnAsync()
    {
        while (true)
        {
            await FollowOnceAsync().ConfigureAwait(false);
            lock (_gate)
            {
                if (!_hasMore)
                {
                    _isFollowing = false;
                    return;
                }

                _hasMore = false;
            }
        }
    }

    private async Task FollowOnceAsync()
    {
        var known = Known;
        var read = await book.ReadAsync().ConfigureAwait(false);
        if (read.Failure == StoreFailure.None && read.Version < known && await RestoreAsync().ConfigureAwait(false))
        {
            read = await book.ReadAsync().ConfigureAwait(false);
        }

        if (read.Failure != StoreFailure.None)
        {
            if (!_isSilent)
            {
                log("warning", $"users: the store cannot tell who is denied and which policies hold ({read.Failure}): what is known here holds until it can");
            }

            _isSilent = true;
            return;
        }

        _isSilent = false;
        if (!_hasBegun)
        {
            read = await BeginAsync(read).ConfigureAwait(false);
        }

        if (read.Version >= Known)
        {
            Take(read);
        }
    }

    /// <summary>The rule: what the store has holds; files begin it where it has nothing.</summary>
    private async Task<SharedUsers> BeginAsync(SharedUsers read)
    {
        if (read.Version == 0)
        {
            if (!await book.RestoreAsync(Mine(1)).ConfigureAwait(false))
            {
                return read;
            }

            log("info", $"users: the store had neither denials nor policies; those of this coordinator's files are the site's now ({denied.Names.Count} denied{(desk.IsOfSite ? $", policies {desk.File.Tag}" : string.Empty)})");
            read = await book.ReadAsync().ConfigureAwait(false);
        }
        else if (read.Policies.Length == 0 && desk.IsOfSite)
        {
            var begun = await book.ApplyAsync(desk.File.Text, desk.File.Tag, expected: null, read.Version).ConfigureAwait(false);
            log(begun.Outcome == BookOutcome.Kept ? "info" : "warning", $"users: the store had no policies; {(begun.Outcome == BookOutcome.Kept ? "those" : "it has not kept those")} of this coordinator's file ({desk.File.Tag})");
            read = await book.ReadAsync().ConfigureAwait(false);
        }
        else
        {
            if (desk.IsOfSite && !string.Equals(read.Tag, desk.File.Tag, StringComparison.Ordinal))
            {
                log("warning", $"users: policies {read.Tag} of the store hold, not {desk.File.Tag} of this coordinator's file; \"masq policy apply\" changes them everywhere");
            }

            var left = denied.Names.Except(read.Denied, StringComparer.OrdinalIgnoreCase).ToList();
            if (left.Count > 0)
            {
                log("warning", $"users: {left.Count} of this coordinator's file of denied users are not denied in the store, which holds: {string.Join(", ", left.Take(8))}");
            }
        }

        _hasBegun = read.Failure == StoreFailure.None;
        return read;
    }

    private void Take(SharedUsers read)
    {
        // Not in the loop: it may be large.
        PolicyFile? file = null;
        if (read.Policies.Length > 0 && read.Generation > desk.Generation)
        {
            if (PolicyDocument.Parse(read.Policies, out var mistakes) is { } policies)
            {
                file = new PolicyFile(read.Policies, policies);
            }
            else
            {
                log("error", $"users: the policies of the store are not understood here, those before still hold: {string.Join("; ", mistakes.Take(3))}");
            }
        }

        if (!loop.TryWrite(new Question((core, now) =>
        {
            lock (_gate)
            {
                if (read.Version < _known)
                {
                    // An order of here came after it was read; it is read again.
                    _hasMore = true;
                    return;
                }

                _known = read.Version;
            }

            var added = denied.Follow(read.Denied, out var isCopied);
            if (!isCopied)
            {
                log("warning", CopyFailed);
            }

            foreach (var user in added)
            {
                log("info", $"user {user} is denied");
                core.EndSessionsHere(user, now);
            }
        })))
        {
            _hasMore = true;
            return;
        }

        if (file is not null)
        {
            // It holds at once; who is to be told of it is found out by the loop, for which neither the start nor the next denial waits.
            _ = desk.FollowAsync(file, read.Generation);
        }
    }

    private async Task PostAsync(Action completion)
    {
        try
        {
            await loop.WriteAsync(new StoreAnswered(completion)).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            // The coordinator stops.
        }
    }
}
