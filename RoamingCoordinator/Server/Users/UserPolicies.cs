using Masquerade.Auth.Filter;
using Masquerade.Auth.Radius;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>Which policy a session has by a book of policies.</summary>
internal static class UserPolicies
{
    /// <summary>What is known of a session when its policy is looked up; null if what the server has said of it cannot be read any more.</summary>
    public static PolicyQuestion? QuestionAbout(UserRecord user) => !SessionTermsReader.TryRead(user.Terms.Span, out var terms, out _) ? null : new PolicyQuestion
    {
        User = user.Role.Length > 0 ? null : user.User,
        Role = user.Role.Length > 0 ? user.Role : null,
        FilterIds = terms.FilterIds,
        FilterRules = terms.FilterRules.Length == 0 ? [] : [terms.FilterRules],
        Segment = terms.Segment,
    };

    /// <summary>Whether two books give a session different policies.</summary>
    public static bool Differ(PolicyBook one, PolicyBook other, UserRecord user)
    {
        if (QuestionAbout(user) is not { } question)
        {
            return false;
        }

        var (before, now) = (one.Resolve(question, []), other.Resolve(question, []));
        return before.IsRefused != now.IsRefused || !before.Policy.IsSameAs(now.Policy);
    }

    /// <summary>Says what becomes of a connection by a book. The very matcher that access points use says it.</summary>
    public static PolicyExplanation Explain(PolicyBook book, PolicyInquiry inquiry)
    {
        if (inquiry.IsDenied)
        {
            return new PolicyExplanation(Core.Engine.FilterAction.Deny, FilterPolicy.Nothing.Name, "the user is denied", 0, string.Empty);
        }

        var question = inquiry.Session is { } session ? QuestionAbout(session) : new PolicyQuestion { User = inquiry.User };
        if (question is null)
        {
            return new PolicyExplanation(Core.Engine.FilterAction.Deny, FilterPolicy.Nothing.Name, "what the server has said of the session cannot be read", 0, string.Empty);
        }

        var choice = book.Resolve(question, []);
        var verdict = FilterProgram.Compile(choice.Policy, inquiry.At)?.Match(inquiry.Tuple, inquiry.Direction) ?? Core.Engine.FilterVerdict.NoRule;
        return new PolicyExplanation(
            verdict.Rule < 0 ? Core.Engine.FilterAction.Deny : verdict.Action, choice.Policy.Name, choice.Why, verdict.Rule + 1, verdict.Rule < 0 ? string.Empty : choice.Policy.Rules[verdict.Rule].Text);
    }
}
