using System.Threading.Channels;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>Makes what RADIUS servers order by Disconnect and CoA: everywhere, at once, whole or not at all (A-27).</summary>
internal sealed class RadiusChanges(UserDirectory users, ChannelWriter<SessionInput> loop, Action<string, string> log) : IDynamicAuthorisationHandler
{
    /// <summary>Sessions that one Disconnect-Request ends at most.</summary>
    private const int MaxTogether = 4_096;

    public async Task<ErrorCause> DisconnectAsync(SessionSelector selector, CancellationToken cancel)
    {
        var found = await FindAsync(selector, MaxTogether + 1, cancel).ConfigureAwait(false);

        // What the site has given by itself it would give again with the client's next frame.
        (MacAddress Client, UserRecord User)[] removable = [.. (found ?? []).Where(f => !users.IsOfSite(f.Client, f.User))];
        var cause = found switch
        {
            null => ErrorCause.ResourcesUnavailable,
            { Count: 0 } => ErrorCause.SessionContextNotFound,
            { Count: > MaxTogether } => ErrorCause.MultipleSessionSelectionUnsupported,
            _ when removable.Length == 0 => ErrorCause.SessionContextNotRemovable,
            _ => ErrorCause.None,
        };
        if (cause == ErrorCause.None)
        {
            var ended = await Task.WhenAll(removable.Select(f => AskAsync<UserChangeOutcome>(
                (core, now, done) => core.EndUserSession(f.Client, u => u.Session.Equals(f.User.Session), "disconnected by the RADIUS server", done, now), cancel))).ConfigureAwait(false);
            var (done, lost) = (ended.Count(e => e == UserChangeOutcome.Done), ended.Count(e => e is UserChangeOutcome.Failed or UserChangeOutcome.Unsure));
            cause = lost > 0 ? ErrorCause.ResourcesUnavailable : done > 0 ? ErrorCause.None : ErrorCause.SessionContextNotFound;
            log(lost > 0 ? "error" : "info", $"Disconnect {Describe(selector)}: {done} ended{(lost > 0 ? $", {lost} not: the store has not kept it; {cause}" : string.Empty)}");
            return cause;
        }

        log("info", $"Disconnect {Describe(selector)}: {cause}");
        return cause;
    }

    public async Task<ErrorCause> ChangeAsync(SessionSelector selector, SessionTerms terms, CancellationToken cancel)
    {
        var found = await FindAsync(selector, 2, cancel).ConfigureAwait(false);
        var cause = found switch
        {
            null => ErrorCause.ResourcesUnavailable,
            { Count: 0 } => ErrorCause.SessionContextNotFound,
            { Count: > 1 } => ErrorCause.MultipleSessionSelectionUnsupported,
            _ when users.IsOfSite(found[0].Client, found[0].User) => ErrorCause.AdministrativelyProhibited,
            _ => ErrorCause.None,
        };
        if (cause == ErrorCause.None)
        {
            var (client, user) = found![0];
            var changed = await AskAsync<UserChangeOutcome>(
                (core, now, done) => core.ChangeUserSession(client, u => u.Session.Equals(user.Session), (u, time) => users.Change(u, terms, time), "changed by the RADIUS server", done, now),
                cancel).ConfigureAwait(false);
            cause = changed switch
            {
                UserChangeOutcome.Done => ErrorCause.None,
                UserChangeOutcome.Unknown => ErrorCause.SessionContextNotFound,
                UserChangeOutcome.Refused => ErrorCause.InvalidAttributeValue,
                _ => ErrorCause.ResourcesUnavailable,
            };
            if (cause == ErrorCause.None)
            {
                await loop.WriteAsync(new Question((_, _) => users.AccountAnew(client, user, terms)), cancel).ConfigureAwait(false);
            }
        }

        log(cause == ErrorCause.ResourcesUnavailable ? "error" : "info", $"CoA {Describe(selector)}: {(cause == ErrorCause.None ? "changed" : cause == ErrorCause.ResourcesUnavailable ? $"the store has not kept it; {cause}" : cause)}");
        return cause;
    }

    private static string Describe(SessionSelector selector) =>
        string.Join(", ", new[] { selector.User, selector.Client?.ToString(), selector.AccountingSession, selector.ChargeableUser is null ? null : "chargeable user" }.Where(t => t is not null));

    private Task<IReadOnlyList<(MacAddress Client, UserRecord User)>?> FindAsync(SessionSelector selector, int most, CancellationToken cancel) =>
        AskAsync<IReadOnlyList<(MacAddress, UserRecord)>?>(
            (core, now, done) =>
            {
                if (selector.Client is not { } client)
                {
                    core.FindUserSessions((mac, user) => users.IsMeant(selector, mac, user), most, done, now);
                    return;
                }

                core.Store.Load(client, loaded => done(
                    loaded.Failure != StoreFailure.None ? null : loaded.Found.Record?.User is { } user && users.IsMeant(selector, client, user) ? [(client, user)] : []));
            },
            cancel);

    private async Task<T> AskAsync<T>(Action<CoordinatorCore, Core.Time.Instant, Action<T>> question, CancellationToken cancel)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        await loop.WriteAsync(new Question((core, now) => question(core, now, result => answer.TrySetResult(result))), cancel).ConfigureAwait(false);
        return await answer.Task.WaitAsync(cancel).ConfigureAwait(false);
    }
}
