using System.Threading.Channels;
using Masquerade.Auth.Filter;
using Masquerade.RoamingCoordinator.Redis;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>
/// The policy document that holds, and its change while the coordinator runs (A-27): read as a whole, kept in the configured file, then valid for everything that is decided, then told to the access points that serve somebody whose
/// policy is another one by it.
/// </summary>
/// <param name="configured">The document of the configuration; null: there is none, and whoever is known may do everything.</param>
/// <param name="path">Its file; empty if there is none.</param>
/// <param name="loop">The coordinator's loop.</param>
/// <param name="log">The log.</param>
internal sealed class PolicyDesk(PolicyFile? configured, string path, ChannelWriter<SessionInput> loop, Action<string, string> log) : IPolicyDesk, IDisposable
{
    /// <summary>Users that are counted one by one.</summary>
    private const int MaxCounted = 1_000_000;

    private readonly SemaphoreSlim _gate = new(1);
    private volatile PolicyFile _holds = configured ?? PolicyFile.Everything;
    private ulong _generation;
    private Func<PolicyFile, string?, Task<BookAnswer>>? _shared;

    /// <summary>What holds.</summary>
    public PolicyBook Book => _holds.Book;

    /// <summary>The document that holds.</summary>
    public PolicyFile File => _holds;

    /// <summary>Whether anybody has ever said what the policies are.</summary>
    public bool IsOfSite => configured is not null || Generation > 0;

    /// <summary>The version of the shared store in which the document that holds was written; 0: it is not from there.</summary>
    public ulong Generation => Volatile.Read(ref _generation);

    public PolicyText Current => new(_holds.Text, _holds.Tag, _holds.Book.Policies.ToDictionary(p => p.Key, p => (IReadOnlyList<string>)[.. p.Value.Rules.Select(r => r.Text)], StringComparer.Ordinal));

    public async Task<PolicyAnswer> ApplyAsync(ReadOnlyMemory<byte> document, string? expected, bool checkOnly, CancellationToken cancel)
    {
        // Not in the coordinator's loop: it may be large, and is compiled to see whether it can be.
        if (PolicyDocument.Parse(document, out var mistakes) is not { } book)
        {
            return new PolicyAnswer(PolicyOutcome.Mistaken, _holds.Tag) { Mistakes = [.. mistakes.Select(m => m.ToString())] };
        }

        await _gate.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            var before = _holds;
            if (expected is not null && !string.Equals(expected, before.Tag, StringComparison.Ordinal))
            {
                return new PolicyAnswer(PolicyOutcome.Stale, before.Tag);
            }

            var next = new PolicyFile(document.ToArray(), book);
            var answer = new PolicyAnswer(checkOnly ? PolicyOutcome.Checked : PolicyOutcome.Applied, checkOnly ? before.Tag : next.Tag) { Policies = before.Book.ChangesTo(book) };
            if (!checkOnly && await KeepAsync(next, expected).ConfigureAwait(false) is { } doubt)
            {
                log("error", $"policies: {string.Join("; ", doubt.Mistakes)}");
                if (doubt.Outcome != PolicyOutcome.Unsure || _shared is not null)
                {
                    return doubt with { Tag = before.Tag };
                }

                // The file is the new one, so it is what holds.
                answer = answer with { Outcome = doubt.Outcome, Mistakes = doubt.Mistakes };
            }

            _holds = checkOnly ? before : next;

            // What is in the file holds, and is told, whether or not anybody waits for it still.
            var told = await TellAsync(before.Book, book, checkOnly, checkOnly ? cancel : CancellationToken.None).ConfigureAwait(false);
            answer = answer with { Outcome = told.IsWhole || checkOnly || answer.Outcome == PolicyOutcome.Unsure ? answer.Outcome : PolicyOutcome.NotTold, Clients = told.Clients, Users = told.Users };
            if (!checkOnly)
            {
                log(told.IsWhole ? "info" : "warning", $"policies {next.Tag} hold: {(answer.Policies.Count == 0 ? "no policy" : string.Join(", ", answer.Policies))} changed, another one for {answer.Clients} clients of {answer.Users} users");
            }

            return answer;
        }
        finally
        {
            _gate.Release();
        }
    }

    public PolicyExplanation Explain(PolicyInquiry inquiry) => UserPolicies.Explain(_holds.Book, inquiry);

    public void Dispose() => _gate.Dispose();

    /// <summary>Where several coordinators share a store it keeps the document for all, and the file is not written.</summary>
    public void ShareBy(Func<PolicyFile, string?, Task<BookAnswer>> keep) => _shared = keep;

    /// <summary>Another coordinator has had a document applied.</summary>
    public async Task FollowAsync(PolicyFile next, ulong generation)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            if (generation < Generation || (generation == Generation && string.Equals(next.Tag, _holds.Tag, StringComparison.Ordinal)))
            {
                return;
            }

            Volatile.Write(ref _generation, generation);
            await HoldAsync(next, "of the store").ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Reads the file again: all of it holds from now on, or with any mistake in it nothing of it.</summary>
    public async Task ReloadAsync()
    {
        if (path.Length == 0 || _shared is not null)
        {
            log("info", path.Length == 0 ? "policies: users.policies names no file to read again" : $"policies: those of the store hold, {path} is not read again; \"masq policy apply\" changes them everywhere");
            return;
        }

        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            var text = await System.IO.File.ReadAllBytesAsync(path).ConfigureAwait(false);
            if (PolicyDocument.Parse(text, out var mistakes) is not { } book)
            {
                log("error", $"policies: {path} has {mistakes.Count} mistakes, the policies before still hold: {string.Join("; ", mistakes.Take(8))}");
                return;
            }

            await HoldAsync(new PolicyFile(text, book), $"of {path}").ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log("error", $"policies: {path} cannot be read, the policies before still hold: {e.Message}");
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task HoldAsync(PolicyFile next, string where)
    {
        var before = _holds;
        if (string.Equals(before.Tag, next.Tag, StringComparison.Ordinal))
        {
            log("info", $"policies {next.Tag} {where} hold already");
            return;
        }

        _holds = next;
        var told = await TellAsync(before.Book, next.Book, checkOnly: false, CancellationToken.None).ConfigureAwait(false);
        log(told.IsWhole ? "info" : "warning", $"policies {next.Tag} {where} hold: another one for {told.Clients} clients of {told.Users} users");
    }

    /// <summary>Null: it is kept.</summary>
    private async Task<PolicyAnswer?> KeepAsync(PolicyFile file, string? expected)
    {
        PolicyAnswer Refused(PolicyOutcome outcome, string reason) => new(outcome, string.Empty) { Mistakes = [reason] };
        if (_shared is null)
        {
            return path.Length == 0 ? Refused(PolicyOutcome.NotKept, "users.policies names no file to keep it in")
                : DurableFile.Replace(path, file.Text.Span) switch
                {
                    Replacement.Done => null,
                    Replacement.Unsure => Refused(PolicyOutcome.Unsure, $"{path} is written and holds; the disk has not said whether it still will after a loss of power"),
                    _ => Refused(PolicyOutcome.NotKept, $"{path} cannot be written"),
                };
        }

        var answer = await _shared(file, expected).ConfigureAwait(false);
        if (answer.Outcome == BookOutcome.Kept)
        {
            Volatile.Write(ref _generation, answer.Mark.Version);
        }

        return answer.Outcome switch
        {
            BookOutcome.Kept => null,
            BookOutcome.Refused => Refused(PolicyOutcome.Stale, "other policies hold in the store"),
            BookOutcome.Unsure => Refused(PolicyOutcome.Unsure, "the store has not said whether it has kept them: they may hold or not"),
            _ => Refused(PolicyOutcome.NotAvailable, "the store cannot keep them; nothing has changed"),
        };
    }

    private async Task<(bool IsWhole, int Clients, int Users)> TellAsync(PolicyBook before, PolicyBook next, bool checkOnly, CancellationToken cancel)
    {
        var (clients, users) = (0, new HashSet<string>(StringComparer.OrdinalIgnoreCase));
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        bool IsConcerned(UserRecord user)
        {
            if (!UserPolicies.Differ(before, next, user))
            {
                return false;
            }

            clients++;
            _ = users.Count < MaxCounted && users.Add(user.User);
            return true;
        }

        bool Count(UserRecord user)
        {
            _ = IsConcerned(user);
            return false;
        }

        await loop.WriteAsync(
            new Question((core, now) =>
            {
                if (checkOnly)
                {
                    core.FindUserSessions((_, user) => Count(user), int.MaxValue, found => done.TrySetResult(found is not null), now);
                }
                else
                {
                    core.TellPolicies((_, user) => IsConcerned(user), "the policies have changed", isWhole => done.TrySetResult(isWhole), now);
                }
            }),
            cancel).ConfigureAwait(false);
        var isWhole = await done.Task.WaitAsync(cancel).ConfigureAwait(false);
        return (isWhole, clients, users.Count);
    }
}
