using Masquerade.Auth.Filter;
using Masquerade.RoamingCoordinator.Server.Users;

namespace Masquerade.Coordinator.Tests.Server;

/// <summary>The texts of policies are where other coordinators find them for as long as they are named.</summary>
public sealed class PolicyShelfTests
{
    [Fact]
    [Trait("Req", "A-27")]
    public void A_text_that_is_still_named_is_kept_for_the_others_again_every_few_minutes()
    {
        var (time, told) = (new SetTime(), 0);
        var shelf = new PolicyShelf((_, text) => told += text.Length > 0 ? 1 : 0, time);
        var name = shelf.NameOf(FilterPolicy.Nothing);
        foreach (var (seconds, expected) in new[] { (0, 1), (299, 1), (300, 2), (599, 2), (601, 3) })
        {
            time.Seconds = seconds;
            Assert.Equal(name, shelf.NameOf(FilterPolicy.Nothing));
            Assert.Equal(expected, told);
        }
    }

    private sealed class SetTime : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Seconds * TimeSpan.TicksPerSecond;
    }
}
