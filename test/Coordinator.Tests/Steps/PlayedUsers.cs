using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Steps;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.Coordinator.Tests.Steps;

/// <summary>A key holder that the test plays: what it is asked waits until the test answers. Access point keys are made of the session and the access point's name, so that each has its own.</summary>
internal sealed class PlayedUsers : IUsers
{
    public Queue<(EapQuestion Question, Action<EapVerdict> Done)> Asked { get; } = new();

    public HashSet<string> DeniedUsers { get; } = new(StringComparer.Ordinal);

    public bool LetsGuestsIn { get; set; }

    public GuestRules? Guests => null;

    public bool HasRole(string role) => role is not "unknown";

    public bool CannotKeep { get; set; }

    public IReadOnlyList<string> Denied => [.. DeniedUsers.Order(StringComparer.Ordinal)];

    public bool IsDenied(string user) => DeniedUsers.Contains(user);

    public void Deny(string user, bool denied, Action<UserChangeOutcome> done)
    {
        var isKept = !CannotKeep && (denied ? DeniedUsers.Add(user) : DeniedUsers.Remove(user));
        done(isKept ? UserChangeOutcome.Done : UserChangeOutcome.Failed);
    }

    public HashSet<MacAddress> Trusted { get; } = [];

    public List<(string User, NodeId Node, ulong Octets)> Usage { get; } = [];

    public List<string> Over { get; } = [];

    public List<(string User, MacAddress Client)> TakenSessions { get; } = [];

    public static UserRecord Session(string user, byte number, long ends = 0) => new()
    {
        Session = Id(number), User = user, SealedKey = new Octets([number, 1, 2, 3]), Ends = ends, IdleSeconds = 600, Segment = "staff",
    };

    public static Octets Id(byte number) => new([.. Enumerable.Repeat(number, UserSession.IdLength)]);

    public static Octets Key(byte number, NodeId node) =>
        new(System.Security.Cryptography.SHA256.HashData([number, .. System.Text.Encoding.ASCII.GetBytes(node.Name!)]));

    public void Exchange(EapQuestion question, Action<EapVerdict> done) => Asked.Enqueue((question, done));

    /// <summary>The number that fills the name of the policy of everybody, or of a role.</summary>
    public byte Policy { get; set; }

    public HashSet<string> RefusedSegments { get; } = new(StringComparer.Ordinal);

    public IPolicyDesk? Policies => null;

    public Octets? PolicyOf(MacAddress client, UserRecord user) => DeniedUsers.Contains(user.User) || RefusedSegments.Contains(user.Segment) || user.Role is "unknown"
        ? null
        : new Octets([.. Enumerable.Repeat(Policy, UserSession.PolicyLength - 1), (byte)user.Role.Length]);

    public UserSession? For(MacAddress client, UserRecord user, NodeId node, long unixMilliseconds) => PolicyOf(client, user) is null ? null : new UserSession
    {
        Session = user.Session,
        User = user.User,
        Key = user.SealedKey.Length == 0 ? Octets.Empty : Key(user.SealedKey.Span[0], node),
        Policy = PolicyOf(client, user) ?? Octets.Empty,
        SecondsLeft = user.Ends == 0 ? 0 : (uint)((user.Ends - unixMilliseconds) / 1_000),
        IdleSeconds = user.IdleSeconds,
        IsTrusted = user.Role.Length > 0 || Trusted.Contains(client),
        Segment = user.Segment,
    };

    public RoamingKeyReply RoamingKeyFor(MacAddress client, UserRecord user, NodeId node, RoamingKeyQuery asked, long unixMilliseconds) => PolicyOf(client, user) is null
        ? new RoamingKeyReply { Id = asked.Id, Client = client, Outcome = RoamingKeyOutcome.Unknown }
        : new RoamingKeyReply { Id = asked.Id, Client = client, Outcome = RoamingKeyOutcome.Given, Key = Key(user.SealedRoamingKey.Span[0], node) };

    public UserRecord? WithoutProof(MacAddress client, long unixMilliseconds) =>
        Trusted.Contains(client) ? new UserRecord { Session = Id(99), User = "printer" } : LetsGuestsIn ? new UserRecord { Session = Id(98), User = "guest", Role = "guest" } : null;

    public void FindText(Octets policy, Action<Octets> done) => done(new Octets("default deny"u8));

    public void Used(UserRecord user, NodeId node, UserSessionUsed used) => Usage.Add((user.User, node, used.OctetsFrom));

    public void Taken(UserRecord user, MacAddress client) => TakenSessions.Add((user.User, client));

    public void Ended(UserRecord user, MacAddress client, string reason) => Over.Add($"{user.User}: {reason}");
}

/// <summary>Orders that are kept, or not, within the call.</summary>
internal static class DenyAtOnce
{
    public static bool? TryDeny(this CoordinatorCore core, string user, bool denied, Core.Time.Instant now)
    {
        UserChangeOutcome? outcome = null;
        core.Deny(user, denied, said => outcome = said, now);
        return outcome is null ? null : outcome == UserChangeOutcome.Done;
    }
}
