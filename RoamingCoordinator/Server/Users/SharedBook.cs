using System.Threading.Channels;
using Masquerade.Auth.Filter;
using Masquerade.RoamingCoordinator.Redis;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>
/// Denials and policies where several coordinators share a store (decision 42): the store's are everybody's, files only begin them. An order is answered when the store has it; each coordinator follows what the others order, and
/// tells the access points that are connected to it.
/// </summary>
/// <remarks>
/// One thing at a time: an order, or reading what holds, has its turn until its result is in the loop's hands, so that the mark is always that of what is known here, and nothing older comes after something newer. Where the store
/// does not have that mark in its history, what is known here is added to it before anything is taken from it.
/// </remarks>
internal sealed class SharedBook(RedisUserBook book, DeniedUsers denied, PolicyDesk desk, ChannelWriter<SessionInput> loop, Action<string, string> log)
{
    private const string CopyFailed = "users: the store has who is denied; its copy in users.deniedFile cannot be written";

    private readonly Lock _gate = new();
    private readonly AsyncTurn _turn = new();

    // Until it has been read once, StartAsync is the one that follows.
    private bool _isFollowing = true;
    private bool _hasMore;

    // In turn.
    private BookMark _applied = BookMark.None;
    private ulong _highest;
    private (PolicyFile File, ulong Generation)? _policies;
    private bool _isSilent;

    /// <summary>Reads what holds, or begins it. Where the store cannot tell, what is in files holds until it can; access points are not let in before then.</summary>
    public async Task StartAsync()
    {
        // The loop does not run yet: it takes what was read when it does, and whatever comes next waits for that.
        var turn = await _turn.BeginAsync().ConfigureAwait(false);
        var taken = await ReadSafelyAsync().ConfigureAwait(false);
        _ = FollowOnAsync(turn, taken);
    }

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

        _ = Task.Run(() => FollowOnAsync(null, null));
    }

    /// <summary>Denies a user, or does no more. In the loop of the coordinator <paramref name="done"/> is called when everybody may hear of it.</summary>
    public void Deny(string user, bool isDenied, Action<UserChangeOutcome> done) => _ = DenyAsync(user, isDenied, done);

    /// <summary>Keeps a policy document for all.</summary>
    public async Task<BookAnswer> KeepAsync(PolicyFile file, string? expected)
    {
        BookAnswer answer;
        using (await _turn.BeginAsync().ConfigureAwait(false))
        {
            answer = await OrderAsync(known => book.ApplyAsync(file.Text, file.Tag, expected, known)).ConfigureAwait(false);
            if (answer.Outcome == BookOutcome.Kept)
            {
                _policies = (file, answer.Mark.Version);
                Advance(answer.Mark);
            }
        }

        Follow();
        return answer;
    }

    /// <summary>Keeps the text of a policy for whichever coordinator is asked for it.</summary>
    public void KeepText(ReadOnlySpan<byte> name, ReadOnlyMemory<byte> text) => book.KeepText(name, text);

    /// <summary>The text of a policy that another coordinator has told an access point of; null if there is none.</summary>
    public Task<byte[]?> FindTextAsync(ReadOnlyMemory<byte> name) => book.FindTextAsync(name);

    private async Task DenyAsync(string user, bool isDenied, Action<UserChangeOutcome> done)
    {
        using (await _turn.BeginAsync().ConfigureAwait(false))
        {
            var answer = await OrderAsync(known => book.DenyAsync(user, isDenied, DeniedUsers.MaxUsers, known)).ConfigureAwait(false);
            var outcome = answer.Outcome switch
            {
                BookOutcome.Kept => UserChangeOutcome.Done,
                BookOutcome.Refused => UserChangeOutcome.Refused,
                BookOutcome.Unsure => UserChangeOutcome.Unsure,
                _ => UserChangeOutcome.Failed,
            };
            await InLoopAsync(complete => new StoreAnswered(() => complete(() =>
            {
                if (outcome == UserChangeOutcome.Done && !denied.Follow(user, isDenied))
                {
                    log("warning", CopyFailed);
                }

                done(outcome);
            }))).ConfigureAwait(false);
            if (answer.Outcome == BookOutcome.Kept)
            {
                Advance(answer.Mark);
            }
        }

        Follow();
    }

    /// <summary>In turn. Nothing is ordered of a store of which nothing is known: what this coordinator begins it with would be lost.</summary>
    private async Task<BookAnswer> OrderAsync(Func<BookMark, Task<BookAnswer>> order)
    {
        if (_applied.Version == 0)
        {
            await (await ReadSafelyAsync().ConfigureAwait(false)).ConfigureAwait(false);
        }

        if (_applied.Version == 0)
        {
            return new BookAnswer(BookOutcome.Failed, BookMark.None);
        }

        var answer = await order(_applied).ConfigureAwait(false);
        if (answer.Outcome == BookOutcome.Lost)
        {
            await (await ReadSafelyAsync().ConfigureAwait(false)).ConfigureAwait(false);
            answer = await order(_applied).ConfigureAwait(false);
        }

        return answer;
    }

    /// <summary>In turn. What came between is read before the mark passes it.</summary>
    private void Advance(BookMark made)
    {
        _highest = Math.Max(_highest, made.Version);
        if (made.Version == _applied.Version + 1)
        {
            _applied = made;
        }
    }

    private SharedUsers Mine()
    {
        var (file, generation) = _policies is { } held ? ((PolicyFile?)held.File, held.Generation) : (desk.IsOfSite ? desk.File : null, desk.Generation);
        return new SharedUsers(_applied, denied.Names, file?.Text ?? ReadOnlyMemory<byte>.Empty, file?.Tag ?? string.Empty, generation);
    }

    private async Task FollowOnAsync(IDisposable? turn, Task? taken)
    {
        while (true)
        {
            using (turn ?? await _turn.BeginAsync().ConfigureAwait(false))
            {
                await (taken ?? await ReadSafelyAsync().ConfigureAwait(false)).ConfigureAwait(false);
            }

            (turn, taken) = (null, null);
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

    /// <summary>In turn. The task that it gives back ends when the loop has taken what was read.</summary>
    private async Task<Task> ReadSafelyAsync()
    {
        try
        {
            return await ReadAsync().ConfigureAwait(false) is { } read ? TakeSafelyAsync(read) : Task.CompletedTask;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Whatever it is, the next one tries again.
            SayUnforeseen(e);
            return Task.CompletedTask;
        }
    }

    private async Task TakeSafelyAsync(SharedUsers read)
    {
        try
        {
            await TakeAsync(read).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // What is known stays at what was taken before.
            SayUnforeseen(e);
        }
    }

    private void SayUnforeseen(Exception e) => log("error", $"users: what the store has of denials and policies cannot be followed: {e.GetType().Name}: {e.Message}");

    /// <summary>In turn. What holds, of a store that has what is known here; null: it cannot be told, and what is known here holds.</summary>
    private async Task<SharedUsers?> ReadAsync()
    {
        var read = await book.ReadAsync(_applied).ConfigureAwait(false);
        if (read.Failure == StoreFailure.None && _applied.Version == 0)
        {
            return await BeginAsync(read).ConfigureAwait(false);
        }

        if (read.Failure == StoreFailure.None && !read.Follows)
        {
            log("warning", "users: the store has lost who is denied and which policies hold, or has another history of it; what is known here is put back, and who is denied there stays denied");
            _highest = Math.Max(_highest, read.Mark.Version);
            if (!await book.RestoreAsync(Mine(), _highest).ConfigureAwait(false))
            {
                return Silent("it cannot keep what is put back");
            }

            // Whatever is there now has come after it was put back, or it was lost again.
            read = await book.ReadAsync(_applied).ConfigureAwait(false);
            if (read.Failure == StoreFailure.None && denied.Names.Except(read.Denied, StringComparer.OrdinalIgnoreCase).Any())
            {
                return Silent("it has lost it again");
            }
        }

        return Told(read);
    }

    private SharedUsers? Told(SharedUsers read)
    {
        if (read.Failure != StoreFailure.None)
        {
            return Silent(read.Failure.ToString());
        }

        _isSilent = false;
        return read;
    }

    private SharedUsers? Silent(string why)
    {
        if (!_isSilent)
        {
            log("warning", $"users: the store cannot tell who is denied and which policies hold ({why}): what is known here holds until it can");
        }

        _isSilent = true;
        return null;
    }

    /// <summary>The rule: what the store has holds; files begin it where it has nothing.</summary>
    private async Task<SharedUsers?> BeginAsync(SharedUsers read)
    {
        if (read.Mark.Version == 0)
        {
            if (!await book.RestoreAsync(Mine(), _highest).ConfigureAwait(false))
            {
                return Silent("it has nothing, and cannot keep what it is begun with");
            }

            log("info", $"users: the store had neither denials nor policies; those of this coordinator's files are the site's now ({denied.Names.Count} denied{(desk.IsOfSite ? $", policies {desk.File.Tag}" : string.Empty)})");
            read = await book.ReadAsync(BookMark.None).ConfigureAwait(false);
        }
        else if (read.Policies.Length == 0 && desk.IsOfSite)
        {
            var begun = await book.ApplyAsync(desk.File.Text, desk.File.Tag, expected: string.Empty, read.Mark).ConfigureAwait(false);
            log(begun.Outcome == BookOutcome.Kept ? "info" : "warning", $"users: the store had no policies; {(begun.Outcome == BookOutcome.Kept ? "those" : "it has not kept those")} of this coordinator's file ({desk.File.Tag})");
            read = await book.ReadAsync(BookMark.None).ConfigureAwait(false);
        }

        if (Told(read) is null || read.Mark.Version == 0)
        {
            return null;
        }

        if (desk.IsOfSite && !string.Equals(read.Tag, desk.File.Tag, StringComparison.Ordinal))
        {
            log("warning", $"users: policies {read.Tag} of the store hold, not {desk.File.Tag} of this coordinator's file; \"masq policy apply\" changes them everywhere");
        }

        var left = denied.Names.Except(read.Denied, StringComparer.OrdinalIgnoreCase).ToList();
        if (left.Count > 0)
        {
            var kept = denied.KeepBefore() ? $"it is kept as {denied.PlaceBefore}" : "it could not be kept beside";
            log("warning", $"users: {left.Count} of this coordinator's file of denied users are not denied in the store, which holds: {string.Join(", ", left.Take(8))}; {kept}");
        }

        return read;
    }

    /// <summary>In turn.</summary>
    private async Task TakeAsync(SharedUsers read)
    {
        // Not in the loop: it may be large.
        PolicyFile? file = null;
        if (read.Policies.Length > 0 && (read.Generation > desk.Generation || !string.Equals(read.Tag, desk.File.Tag, StringComparison.Ordinal)))
        {
            if (PolicyDocument.Parse(read.Policies, out var mistakes) is { } policies)
            {
                file = new PolicyFile(read.Policies, policies);
                _policies = (file, read.Generation);
            }
            else
            {
                log("error", $"users: the policies of the store are not understood here, those before still hold: {string.Join("; ", mistakes.Take(3))}");
            }
        }

        if (file is not null)
        {
            // It holds at once; who is to be told of it is found out by the loop, for which neither the start nor the next denial waits.
            _ = desk.FollowAsync(file, read.Generation);
        }

        var isTaken = await InLoopAsync(complete => new Question((core, now) => complete(() =>
        {
            var added = denied.Follow(read.Denied, out var removed, out var isCopied);
            if (!isCopied)
            {
                log("warning", CopyFailed);
            }

            foreach (var user in removed)
            {
                log("info", $"user {user} is denied no more");
            }

            foreach (var user in added)
            {
                log("info", $"user {user} is denied");
                core.EndSessionsHere(user, now);
            }
        }))).ConfigureAwait(false);
        if (isTaken)
        {
            (_applied, _highest) = (read.Mark, Math.Max(_highest, read.Mark.Version));
        }
    }

    /// <summary>False: the coordinator stops.</summary>
    private async Task<bool> InLoopAsync(Func<Action<Action>, SessionInput> input)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            await loop.WriteAsync(input(act =>
            {
                try
                {
                    act();
                }
                finally
                {
                    done.TrySetResult();
                }
            })).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            return false;
        }

        await done.Task.ConfigureAwait(false);
        return true;
    }
}
