using System.Threading.Channels;
using Masquerade.Auth.Filter;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>
/// The policy document that holds, and its change while the coordinator runs (A-27): read as a whole, kept in the configured file, then valid for everything that is decided, then told to the access points that serve somebody whose
/// policy is another one by it.
/// </summary>
internal sealed class PolicyDesk(PolicyFile configured, string path, ChannelWriter<SessionInput> loop, Action<string, string> log) : IPolicyDesk, IDisposable
{
    /// <summary>Users that are counted one by one.</summary>
    private const int MaxCounted = 1_000_000;

    private readonly SemaphoreSlim _gate = new(1);
    private volatile PolicyFile _holds = configured;

    /// <summary>What holds.</summary>
    public PolicyBook Book => _holds.Book;

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
            if (!checkOnly && !TryKeep(next))
            {
                var reason = path.Length == 0 ? "users.policies names no file to keep it in" : $"{path} cannot be written";
                log("error", $"policies: {reason}; nothing has changed");
                return new PolicyAnswer(PolicyOutcome.NotKept, before.Tag) { Mistakes = [reason] };
            }

            _holds = checkOnly ? before : next;

            // What is in the file holds, and is told, whether or not anybody waits for it still.
            var told = await TellAsync(before.Book, book, checkOnly, checkOnly ? cancel : CancellationToken.None).ConfigureAwait(false);
            answer = answer with { Outcome = told.IsWhole || checkOnly ? answer.Outcome : PolicyOutcome.NotTold, Clients = told.Clients, Users = told.Users };
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

    private bool TryKeep(PolicyFile file) => path.Length > 0 && DurableFile.TryReplace(path, file.Text.Span);

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
