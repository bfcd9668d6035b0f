using Masquerade.Auth.Peer;

namespace Masquerade.Auth.Tests.Peer;

/// <summary>What is taken in the clear, and when.</summary>
public sealed partial class SupplicantTests
{
    [Fact]
    public void Who_has_a_protected_link_does_not_fall_back_to_none()
    {
        using var content = Make(new SupplicantConfig { PlainIsGood = true });
        content.LinkUp(_now);
        Run(client: content);
        Assert.True(content.IsProtected);
        _first.OffersProtection = false;
        content.OnWire(_first.AskIdentity(), _now);
        Run(client: content);
        Assert.Equal(SupplicantEventKind.Authenticated, _told[^1].Kind);
        _now += TimeSpan.FromSeconds(6);
        content.Advance(_now);
        Assert.Equal((false, SupplicantEventKind.NotProtected), (content.IsPlain, _told[^1].Kind));
    }
}
