using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using Masquerade.Core.Flow;
using Masquerade.Pki;
using Masquerade.Pki.Authority;

namespace Masquerade.Cli.Pki;

/// <summary><c>masq pki</c>: the site's certification authority, so that nobody needs a recipe for openssl. Private keys go into files and nowhere else.</summary>
internal static class PkiCommand
{
    private const int Good = 0;
    private const int CannotDo = 1;
    private const string DefaultFolder = "masq-pki";

    public static Command Create()
    {
        var folder = new Option<string>("--dir") { Description = "The authority's folder; keep it off the nodes.", DefaultValueFactory = _ => DefaultFolder, Recursive = true };
        var command = new Command("pki", "Make and look after the certificates by which agents and coordinators know each other (ECDSA P-256, TLS 1.3).")
        {
            folder, Init(folder), Issue(folder), Request(), Renew(folder), Revoke(folder), List(folder),
        };
        return command;
    }

    private static Command Init(Option<string> folder)
    {
        var site = new Option<string>("--site") { Description = "The site's name, for people; it stands in the authority's certificate.", DefaultValueFactory = _ => "site" };
        var days = Days(SiteAuthority.DefaultAuthorityDays, 36_500);
        site.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is not { Length: > 0 and <= 40 })
            {
                result.AddError("--site must have 1 to 40 characters.");
            }
        });
        var command = new Command("init", "Make the site's authority and an empty revocation list.") { site, days };
        command.SetAction(parse => Do(parse, folder, pki =>
        {
            pki.Initialise(parse.GetValue(site)!, parse.GetValue(days));
            Console.WriteLine($"{pki.BundlePath}: the authority; copy it to every node (tls.ca)");
            Console.WriteLine($"{pki.ListPath}: the revocation list; copy it to every node (tls.crl)");
        }));
        return command;
    }

    private static Command Issue(Option<string> folder)
    {
        var (agent, coordinator) = Roles();
        var days = Days(SiteAuthority.DefaultNodeDays, SiteAuthority.DefaultAuthorityDays);
        var (dns, ip) = Hosts();
        var request = new Option<string?>("--request") { Description = "A request that the node made (\"masq pki request\"); its key then never leaves it." };
        var again = new Option<bool>("--again") { Description = "With --request: although the name has a certificate." };
        var command = new Command("issue", "Make a key and a certificate for a node, or a certificate for a node's own key.") { agent, coordinator, days, dns, ip, request, again };
        OneRole(command, agent, coordinator);
        command.Validators.Add(result =>
        {
            if (result.GetValue(again) && result.GetValue(request) is null)
            {
                result.AddError("--again goes with --request; \"masq pki renew\" follows up the others.");
            }
        });
        command.SetAction(parse => Do(parse, folder, pki =>
        {
            var identity = Identity(parse, agent, coordinator);
            var path = parse.GetValue(request);
            var text = path is null ? null : File.ReadAllText(path);
            var addresses = (parse.GetValue(ip) ?? []).Select(IPAddress.Parse).ToList();
            var names = parse.GetValue(dns) ?? [];
            Tell(text is not null && parse.GetValue(again)
                ? pki.IssueAgain(identity, names, addresses, parse.GetValue(days), text)
                : pki.Issue(identity, names, addresses, parse.GetValue(days), text));
        }));
        return command;
    }

    private static Command Request()
    {
        var (agent, coordinator) = Roles();
        var target = new Option<string>("--out") { Description = "The folder that request.pem and key.pem are written to.", DefaultValueFactory = _ => "." };
        var command = new Command("request", "On a node: make a key (key.pem, mode 0600) and a request for a certificate (request.pem).") { agent, coordinator, target };
        OneRole(command, agent, coordinator);
        command.SetAction(parse => Guard(() =>
        {
            var (request, key) = NodeRequest.Write(parse.GetValue(target)!, Identity(parse, agent, coordinator));
            Console.WriteLine($"{request}: take it to the authority (masq pki issue --request)");
            Console.WriteLine($"{key}: the private key; it stays here (tls.key)");
        }));
        return command;
    }

    private static Command Renew(Option<string> folder)
    {
        var names = new Argument<string[]>("name") { Description = "Whose; everybody's without any. agent:NAME or coordinator:NAME where the name alone would not do.", Arity = ArgumentArity.ZeroOrMore };
        var within = new Option<int>("--within") { Description = "Without names: only certificates that end within these days.", DefaultValueFactory = _ => 30 };
        var all = new Option<bool>("--all") { Description = "Without names: whenever they end." };
        var authority = new Option<bool>("--ca") { Description = "Make a successor of the authority. Copy ca.pem to every node before certificates are renewed." };
        var days = new Option<int?>("--days") { Description = $"How long the new ones are good for (default {SiteAuthority.DefaultNodeDays}; {SiteAuthority.DefaultAuthorityDays} with --ca)." };
        days.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 1 or > 36_500)
            {
                result.AddError("--days must be from 1 to 36500.");
            }
        });
        var command = new Command("renew", "Follow up certificates with new keys, and sign the revocation list anew. The old ones stay good until they end.") { names, within, all, authority, days };
        command.SetAction(parse => Do(parse, folder, pki =>
        {
            if (parse.GetValue(authority))
            {
                pki.RenewAuthority(parse.GetValue(days) ?? SiteAuthority.DefaultAuthorityDays);
                Console.WriteLine($"{pki.BundlePath}: copy it to every node now, and renew certificates after that");
                return;
            }

            var named = parse.GetValue(names) ?? [];
            var made = pki.Renew(named, named.Length > 0 || parse.GetValue(all) ? null : parse.GetValue(within), parse.GetValue(days) ?? SiteAuthority.DefaultNodeDays);
            foreach (var files in made)
            {
                Tell(files);
            }

            Console.WriteLine($"{made.Count} renewed; {pki.ListPath} signed anew");
        }));
        return command;
    }

    private static Command Revoke(Option<string> folder)
    {
        var name = new Argument<string>("name") { Description = "A name (agent:NAME or coordinator:NAME where it is both), or a serial number." };
        var command = new Command("revoke", "Revoke a node's certificates, or one by its serial number.") { name };
        command.SetAction(parse => Do(parse, folder, pki =>
        {
            foreach (var certificate in pki.Revoke(parse.GetValue(name)!))
            {
                Console.WriteLine($"revoked: {certificate.Identity}, serial {certificate.Serial}");
            }

            Console.WriteLine($"{pki.ListPath}: copy it to every node (tls.crl); running ones notice by themselves");
        }));
        return command;
    }

    private static Command List(Option<string> folder)
    {
        var json = new Option<bool>("--json") { Description = "Print one JSON document." };
        var command = new Command("list", "List the certificates that were issued.") { json };
        command.SetAction(parse => Do(parse, folder, pki => PkiListing.Write(Console.Out, pki, parse.GetValue(json))));
        return command;
    }

    private static Option<int> Days(int usual, int most)
    {
        var days = new Option<int>("--days") { Description = $"How long it is good for, days (default {usual}).", DefaultValueFactory = _ => usual };
        days.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && (value < 1 || value > most))
            {
                result.AddError($"--days must be from 1 to {most}.");
            }
        });
        return days;
    }

    private static (Option<string?> Agent, Option<string?> Coordinator) Roles()
    {
        var agent = new Option<string?>("--agent") { Description = "The name of an access point's agent: its \"node\"." };
        var coordinator = new Option<string?>("--coordinator") { Description = "The name of a coordinator: its \"name\"." };
        foreach (var option in new[] { agent, coordinator })
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<string?>() is { } value && !NodeId.IsValid(value))
                {
                    result.AddError($"{option.Name} must have 1 to {NodeId.MaxLength} characters of A-Z a-z 0-9 . _ -");
                }
            });
        }

        return (agent, coordinator);
    }

    private static (Option<string[]> Dns, Option<string[]> Ip) Hosts()
    {
        var dns = new Option<string[]>("--dns") { Description = "A host name under which a coordinator is dialled; may be given again.", Arity = ArgumentArity.OneOrMore };
        var ip = new Option<string[]>("--ip") { Description = "An address under which a coordinator is dialled; may be given again.", Arity = ArgumentArity.OneOrMore };
        dns.Validators.Add(result => Each(result, v => Uri.CheckHostName(v) == UriHostNameType.Dns, "--dns must be a host name"));
        ip.Validators.Add(result => Each(result, v => IPAddress.TryParse(v, out _), "--ip must be an IPv4 or IPv6 address"));
        return (dns, ip);
    }

    private static void Each(OptionResult result, Func<string, bool> good, string message)
    {
        foreach (var value in (result.GetValueOrDefault<string[]>() ?? []).Where(v => !good(v)))
        {
            result.AddError($"{message}: {value}");
        }
    }

    private static void OneRole(Command command, Option<string?> agent, Option<string?> coordinator) =>
        command.Validators.Add(result =>
        {
            if (result.GetValue(agent) is null == result.GetValue(coordinator) is null)
            {
                result.AddError("Give --agent NAME or --coordinator NAME.");
            }
        });

    private static SiteIdentity Identity(ParseResult parse, Option<string?> agent, Option<string?> coordinator) =>
        parse.GetValue(agent) is { } name ? new SiteIdentity(SiteRole.Agent, new NodeId(name)) : new SiteIdentity(SiteRole.Coordinator, new NodeId(parse.GetValue(coordinator)!));

    private static void Tell(IssuedFiles files)
    {
        Console.WriteLine($"{files.Certificate.Identity}, serial {files.Certificate.Serial}, until {files.Certificate.NotAfter:yyyy-MM-dd}");
        Console.WriteLine($"  {files.CertificatePath} (tls.certificate)");
        if (files.KeyPath.Length > 0)
        {
            Console.WriteLine($"  {files.KeyPath} (tls.key; keep its mode 0600)");
        }
    }

    private static int Do(ParseResult parse, Option<string> folder, Action<PkiDirectory> action) =>
        Guard(() => action(new PkiDirectory(parse.GetValue(folder)!, TimeProvider.System)));

    private static int Guard(Action action)
    {
        try
        {
            action();
            return Good;
        }
        catch (Exception e) when (e is PkiException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"masq pki: {e.Message}");
            return CannotDo;
        }
    }
}
