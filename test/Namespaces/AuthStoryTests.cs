using Masquerade.Lab.Scenario;
using Masquerade.Lab.Users;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>The demonstration with users, as <c>masq demo --auth</c> plays it.</summary>
public sealed class AuthStoryTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-24")]
    [Trait("Req", "A-25")]
    [Trait("Req", "A-26")]
    [Trait("Req", "A-27")]
    public void Two_employees_and_a_guest_walk_with_what_they_may_and_one_is_denied_in_the_middle()
    {
        var result = AuthStory.Run(new DemoOptions { Roams = 4 }, new Walk(output), CancellationToken.None);
        Assert.Equal("ok", result.Verdict);
        Assert.Equal((4, 4), (result.Handshakes.Count, result.Users[0].Roams.Count));
        Assert.Contains(result.Trials, t => t is { User: AuthPolicies.Bob, Allowed: true, Bytes: > 0 });
        Assert.Contains(result.Trials, t => t is { User: AuthPolicies.Bob, Allowed: false });
    }

    /// <summary>The verdict sees what it is there for.</summary>
    [Fact]
    public void A_walk_that_went_otherwise_is_not_ok()
    {
        UserRoam Roam(string proof) => new(1, 2, 1, proof, 20, 25);
        var good = new AuthResult
        {
            Users = [new UserOutcome("ada", "masq client", "c1", 1, [Roam("handshake")], 2, 2), new UserOutcome("bob", "wpa_supplicant", "c2", 2, [Roam("eap")], 2, 0), new UserOutcome("guest", "nothing", "c3", 0, [Roam("trusted")], 2, 2)],
            Trials = [new PolicyTrial("ada", 1, "may", Allowed: true, 10), new PolicyTrial("ada", 1, "may not", Allowed: false, 0)],
            Denial = new DenialOutcome("bob", 2, 30),
            LinkFrames = 1_000,
            ReadableFrames = [],
            Handshakes = [(1, 2, 2)],
            Duration = TimeSpan.FromSeconds(9),
        };
        Assert.Equal("ok", AuthVerdict.Judge(good));
        AuthResult[] others =
        [
            good with { Users = [good.Users[0] with { Logins = 2 }, .. good.Users.Skip(1)] },
            good with { Users = [good.Users[0] with { Roams = [Roam("eap")] }, .. good.Users.Skip(1)] },
            good with { Users = [good.Users[0] with { Alive = 1 }, .. good.Users.Skip(1)] },
            good with { Users = [good.Users[0], good.Users[1] with { Alive = 1 }, good.Users[2]] },
            good with { Users = [good.Users[0], good.Users[1] with { Roams = [Roam(string.Empty)] }, good.Users[2]] },
            good with { Users = [good.Users[0] with { Failure = "it has ended" }, .. good.Users.Skip(1)] },
            good with { Trials = [new PolicyTrial("ada", 1, "may not", Allowed: false, 1)] },
            good with { Trials = [new PolicyTrial("ada", 1, "may", Allowed: true, 0)] },
            good with { Denial = new DenialOutcome("bob", 2, 1_500) },
            good with { ReadableFrames = ["one"] },
            good with { LinkFrames = 0 },
            good with { Handshakes = [] },
            good with { Handshakes = [(1, 3, 2)] },
            good with { ProgramFailure = "ap1 has ended" },
        ];
        Assert.All(others, o => Assert.NotEqual("ok", AuthVerdict.Judge(o)));
    }
}
