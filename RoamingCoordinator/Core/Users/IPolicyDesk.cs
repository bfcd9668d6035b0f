using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Users;

/// <summary>The policy document that holds.</summary>
/// <param name="Text">As it was written, in UTF-8.</param>
/// <param name="Tag">Names this text; another text has another one.</param>
/// <param name="Policies">Its policies, by name, with their rules as text.</param>
public sealed record PolicyText(ReadOnlyMemory<byte> Text, string Tag, IReadOnlyDictionary<string, IReadOnlyList<string>> Policies);

/// <summary>What becomes of a policy document that is to hold.</summary>
public enum PolicyOutcome
{
    /// <summary>It holds, and access points have been told whose policy has changed.</summary>
    Applied,

    /// <summary>It could hold; nothing has changed.</summary>
    Checked,

    /// <summary>It has mistakes; nothing has changed.</summary>
    Mistaken,

    /// <summary>Another document holds than was thought; nothing has changed.</summary>
    Stale,

    /// <summary>It cannot be kept; nothing has changed.</summary>
    NotKept,

    /// <summary>The store that several coordinators share cannot keep it now; nothing has changed.</summary>
    NotAvailable,

    /// <summary>That store has not said whether it has kept it: it may hold or not.</summary>
    Unsure,

    /// <summary>It holds, but the store could not say who is concerned: access points hear of it when they next report.</summary>
    NotTold,
}

/// <summary>What becomes of a policy document.</summary>
/// <param name="Outcome">What.</param>
/// <param name="Tag">The tag of the document that holds now.</param>
public sealed record PolicyAnswer(PolicyOutcome Outcome, string Tag)
{
    /// <summary>All mistakes, with policy, rule and column; or why it cannot be kept.</summary>
    public IReadOnlyList<string> Mistakes { get; init; } = [];

    /// <summary>Policies that are new, gone or different.</summary>
    public IReadOnlyList<string> Policies { get; init; } = [];

    /// <summary>Clients whose policy is another one by it.</summary>
    public int Clients { get; init; }

    /// <summary>Their users.</summary>
    public int Users { get; init; }
}

/// <summary>What is to be explained.</summary>
/// <param name="User">The user; null if only a client is named.</param>
/// <param name="Session">The session that is meant; null if there is none.</param>
/// <param name="Tuple">Who opens the connection to whom.</param>
/// <param name="Direction">Whether the client opens it.</param>
/// <param name="At">When, as the site's clock shows it.</param>
/// <param name="IsDenied">Whether the user is denied besides.</param>
public sealed record PolicyInquiry(string? User, UserRecord? Session, FlowTuple Tuple, FilterDirection Direction, DateTimeOffset At, bool IsDenied = false);

/// <summary>What becomes of a connection, and why.</summary>
/// <param name="Verdict">Allow, deny, or limit.</param>
/// <param name="Policy">The policy that decides.</param>
/// <param name="Why">Why the client has it.</param>
/// <param name="Rule">The number of the rule, from 1; 0 if none matches.</param>
/// <param name="Text">The rule; empty if none matches.</param>
public sealed record PolicyExplanation(FilterAction Verdict, string Policy, string Why, int Rule, string Text);

/// <summary>The site's policies as operators read, change and question them. Calls from any thread.</summary>
public interface IPolicyDesk
{
    /// <summary>What holds.</summary>
    PolicyText Current { get; }

    /// <summary>Has a document hold from now on, whole or not at all.</summary>
    /// <param name="document">The document in UTF-8.</param>
    /// <param name="expected">The tag of the document that is thought to hold; null: whatever holds.</param>
    /// <param name="checkOnly">Only say what would come of it.</param>
    /// <param name="cancel">Ends the waiting; what has begun is done.</param>
    Task<PolicyAnswer> ApplyAsync(ReadOnlyMemory<byte> document, string? expected, bool checkOnly, CancellationToken cancel);

    /// <summary>Says what becomes of a connection, by the matcher that access points use.</summary>
    PolicyExplanation Explain(PolicyInquiry inquiry);
}
