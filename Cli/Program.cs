using System.CommandLine;
using Masquerade.Cli.Client;
using Masquerade.Cli.Demo;
using Masquerade.Cli.Logs;
using Masquerade.Cli.Pki;
using Masquerade.Cli.Site;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

var root = new RootCommand("Masquerade: connections that survive a walk across access points.")
{
    DemoCommand.Create(),
    PkiCommand.Create(),
    ClientCommand.Create(),
    TokenCommand.Create(),
    LogCommand.Create(),
    UserCommands.Create(),
    GuestCommands.Create(),
};
foreach (var command in SiteCommands.Create().Concat(PolicyCommands.Create()))
{
    root.Subcommands.Add(command);
}

// The demo ends itself in order on Ctrl-C and SIGTERM; the default of two seconds would cut its cleaning up short.
var configuration = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(20) };

// Exit codes: 2 is a mistake on the command line; the commands say what others of theirs mean.
var parsed = root.Parse(args);
var code = await parsed.InvokeAsync(configuration);
return parsed.Errors.Count > 0 ? 2 : code;
