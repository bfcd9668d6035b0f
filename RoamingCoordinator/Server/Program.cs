using System.CommandLine;
using System.Runtime.Versioning;
using Masquerade.RoamingCoordinator.Server;

[assembly: SupportedOSPlatform("linux")]

// Exit codes: 0 stopped as asked (or the configuration is right), 1 could not run, 2 the command line or the configuration has mistakes.
var config = new Option<string?>("--config") { Description = "The configuration file (JSON; docs/operations.md lists the keys). Without it everything has its default." };
var listen = new Option<string?>("--listen") { Description = $"Where agents connect, address:port; wins over the configuration (default {ServerConfig.DefaultListen})." };
var check = new Option<bool>("--check") { Description = "Validate the configuration, name every mistake, and stop." };
var format = new Option<LogFormat>("--log-format") { Description = "How the log on standard error is written: text for people, json for programs.", DefaultValueFactory = _ => LogFormat.Text };
var root = new RootCommand("The roaming coordinator: knows which connection is anchored where, and which access point serves each client.") { config, listen, check, format };
root.SetAction((parse, cancel) => CoordinatorProgram.RunAsync(parse.GetValue(config), parse.GetValue(listen), parse.GetValue(check), Console.Out, Console.Error, parse.GetValue(format), cancel));
var parsed = root.Parse(args);
var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(5) }).ConfigureAwait(false);
return parsed.Errors.Count > 0 ? 2 : code;
