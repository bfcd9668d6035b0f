using System.CommandLine;
using Masquerade.Cli.Client;
using Masquerade.Cli.Demo;
using Masquerade.Cli.Logs;
using Masquerade.Cli.Pki;
using Masquerade.Cli.Site;

namespace Masquerade.Cli;

/// <summary>All that <c>masq</c> can be told.</summary>
internal static class Commands
{
    /// <summary>The root of the commands.</summary>
    public static RootCommand Create()
    {
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

        return root;
    }
}
