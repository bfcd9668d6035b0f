using System.Text;
using Masquerade.Auth.Filter;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Filter;

[Trait("Req", "A-26")]
public sealed class PolicyDocumentTests(ITestOutputHelper output)
{
    private const string Site = """
        {
          // Comments may stay.
          "addresses": { "dns": ["10.0.0.53", "2001:db8::53"], "lan": "10.0.0.0/8" },
          "ports": { "web": [80, "443", "8000-8100"] },
          "policies": {
            "staff": ["allow out udp to @dns port 53", "allow out tcp to any port @web", "deny out any to @lan"],
            "admins": ["allow both any"],
            "guest": ["allow out udp to @dns port 53", "limit 5mbit out tcp to not @lan port @web"],
            "quarantine": []
          },
          "groups": { "admins": { "policy": "admins", "users": ["ada"] }, "staff": { "policy": "staff", "users": ["ada", "bob"] } },
          "users": { "eve": "quarantine" },
          "denied": ["mallory"],
          "segments": { "20": "guest" },
          "roles": { "guest": "guest", "quarantine": "quarantine" },
          "default": "staff",
        }
        """;

    [Theory]
    [InlineData("ada", "admins", "group admins")]
    [InlineData("bob", "staff", "group staff")]
    [InlineData("eve", "quarantine", "the user's own policy")]
    [InlineData("mallory", "nothing", "the user is denied")]
    [InlineData("MALLORY", "nothing", "the user is denied")]
    [InlineData("zoe", "staff", "the default")]
    [InlineData(null, "nothing", "nobody is authenticated")]
    public void A_user_has_the_policy_of_the_first_thing_that_names_one(string? user, string policy, string why)
    {
        var choice = Book(Site).Resolve(new PolicyQuestion { User = user }, []);
        Assert.Equal((policy, why, false), (choice.Policy.Name, choice.Why, choice.IsRefused));
    }

    [Fact]
    public void What_the_authentication_server_says_goes_before_groups_and_after_the_books_own_words_about_a_user()
    {
        var book = Book(Site);
        var rules = new[] { "permit in ip from any to any"u8.ToArray() };
        Assert.Equal("radius", book.Resolve(new PolicyQuestion { User = "ada", FilterRules = rules, FilterIds = ["guest"] }, []).Policy.Name);
        Assert.Equal("guest", book.Resolve(new PolicyQuestion { User = "ada", FilterIds = ["unknown", "guest"] }, []).Policy.Name);
        Assert.Equal("quarantine", book.Resolve(new PolicyQuestion { User = "eve", FilterRules = rules }, []).Policy.Name);
        Assert.Equal("nothing", book.Resolve(new PolicyQuestion { User = "mallory", FilterRules = rules, Role = "guest" }, []).Policy.Name);
        Assert.Equal("guest", book.Resolve(new PolicyQuestion { User = "zoe", Segment = "20" }, []).Policy.Name);
        Assert.Equal("admins", book.Resolve(new PolicyQuestion { User = "zoe", Groups = ["admins"] }, []).Policy.Name);
        Assert.Equal("guest", book.Resolve(new PolicyQuestion { Role = "guest" }, []).Policy.Name);
        Assert.Equal("nothing", book.Resolve(new PolicyQuestion { Role = "king" }, []).Policy.Name);
    }

    [Fact]
    public void What_cannot_be_applied_is_refused_and_leaves_nothing()
    {
        var mistakes = new List<PolicyMistake>();
        var choice = Book(Site).Resolve(new PolicyQuestion { User = "ada", FilterRules = ["permit in ip from any to any frag"u8.ToArray()] }, mistakes);
        Assert.True(choice.IsRefused);
        Assert.Same(FilterPolicy.Nothing, choice.Policy);
        Assert.Single(mistakes);
        Assert.True(Book(Site).Resolve(new PolicyQuestion { User = "ada", FilterIds = ["unknown"] }, mistakes).IsRefused);
    }

    [Fact]
    public void A_change_of_the_book_changes_the_policies_that_say_something_else()
    {
        var before = Book(Site);
        Assert.Empty(before.ChangesTo(Book(Site.Replace("allow out tcp to any port @web", "ALLOW  out tcp to any port @web", StringComparison.Ordinal))));
        Assert.Equal(["guest", "staff"], before.ChangesTo(Book(Site.Replace("2001:db8::53", "2001:db8::54", StringComparison.Ordinal))));
        Assert.Equal(["admins"], before.ChangesTo(Book(Site.Replace("allow both any", "allow both tcp", StringComparison.Ordinal))));
    }

    [Fact]
    public void A_policy_travels_as_text()
    {
        foreach (var policy in Book(Site).Policies.Values)
        {
            var mistakes = new List<PolicyMistake>();
            var arrived = FilterPolicy.Parse(policy.Text, mistakes);
            Assert.True(arrived is not null, string.Join('\n', mistakes));
            Assert.Equal((policy.Name, policy.Text), (arrived.Name, arrived.Text));
            Assert.True(policy.IsSameAs(arrived));
            Assert.Equal(policy.Rules.Select(rule => string.Join(',', rule.To.Prefixes)), arrived.Rules.Select(rule => string.Join(',', rule.To.Prefixes)));
        }

        Assert.Contains("address dns 10.0.0.53/32,2001:db8::53/128\n", Book(Site).Policies["guest"].Text, StringComparison.Ordinal);
        Assert.DoesNotContain("lan", Book("""{"addresses":{"lan":"10.0.0.0/8"},"policies":{"a":["allow out any"]}}""").Policies["a"].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_of_a_document_are_named_at_once()
    {
        Assert.Null(PolicyDocument.Parse(Encoding.UTF8.GetBytes("""
            {
              "addresses": { "dns": [], "Lan": "10.0.0.0/8", "x": ["10.0.0.1/8", true] },
              "policies": { "staff": ["allow out gre", "deny out any to @nobody", 7], "guest": "allow out any" },
              "groups": { "g": { "policy": "boss", "user": [] }, "h": {} },
              "users": { "Ada": "guest", "ada": "guest", "bob": 3 },
              "default": "boss", "defalt": "guest"
            }
            """), out var mistakes));
        string[] expected =
        [
            "defalt: unknown key", "addresses.dns: 0 items", "addresses.Lan: Lan", "addresses.x: 10.0.0.1/8", "addresses.x[1]: true", "policies.staff rule 1, column 11: gre",
            "policies.staff rule 2, column 17: @nobody", "policies.staff rule 3, column 1: 7", "groups.g.policy: \"boss\"", "groups.g.user: unknown key", "groups.h.policy: missing", "users.ada: ada",
            "users.bob: 3", "default: \"boss\"",
        ];
        foreach (var mistake in expected)
        {
            Assert.Contains(mistakes, found => found.ToString().StartsWith(mistake, StringComparison.Ordinal));
        }

        Assert.Equal(expected.Length, mistakes.Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"policies\":[]}")]
    [InlineData("{\"policies\":{\"a\":{\"b\":1}}}")]
    [InlineData("{\"default\":\"\\ud800\"}")]
    [InlineData("{\"policies\":{\"\\ud800\":[]}}")]
    public void What_is_no_document_is_a_mistake(string text)
    {
        Assert.Null(PolicyDocument.Parse(Encoding.UTF8.GetBytes(text), out var mistakes));
        Assert.NotEmpty(mistakes);
    }

    [Fact]
    public void Any_text_gives_a_book_or_a_mistake()
    {
        var random = Seed.Fresh(output);
        var good = Encoding.UTF8.GetBytes(Site);
        for (var i = 0; i < 3_000; i++)
        {
            var octets = i < good.Length ? good[..i] : (byte[])good.Clone();
            for (var change = i < good.Length ? 0 : 1 + random.NextInt(4); change > 0; change--)
            {
                octets[random.NextInt(octets.Length)] = random.Chance(0.7) ? (byte)(32 + random.NextInt(95)) : (byte)random.NextInt(256);
            }

            Assert.True(PolicyDocument.Parse(octets, out var mistakes) is null == mistakes.Count > 0);
            var more = new List<PolicyMistake>();
            Assert.True(FilterPolicy.Parse(Encoding.Latin1.GetString(octets), more) is null == more.Count > 0);
        }
    }

    private static PolicyBook Book(string text)
    {
        var book = PolicyDocument.Parse(Encoding.UTF8.GetBytes(text), out var mistakes);
        Assert.True(book is not null, string.Join('\n', mistakes));
        return book;
    }
}
