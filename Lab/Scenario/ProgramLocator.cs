namespace Masquerade.Lab.Scenario;

/// <summary>Finds the built programs of the product in the source tree that this assembly was built in.</summary>
internal static class ProgramLocator
{
    /// <summary>The assembly of the agent.</summary>
    public static string Agent() => Find("AccessPoint/Agent", "masq-agent.dll");

    /// <summary>The assembly of the coordinator.</summary>
    public static string Coordinator() => Find("RoamingCoordinator/Server", "masq-coordinator.dll");

    /// <summary>The assembly of the command line, for a client's own part.</summary>
    public static string Client() => Find("Cli", "masq.dll");

    private static string Find(string project, string assembly)
    {
        // …/<project>/bin/<configuration>/net10.0/ : use the programs of the same configuration.
        var own = AppContext.BaseDirectory.TrimEnd('/');
        var framework = Path.GetFileName(own);
        var configuration = Path.GetFileName(Path.GetDirectoryName(own)!);
        for (var directory = new DirectoryInfo(own); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Masquerade.sln")))
            {
                var path = Path.Combine(directory.FullName, project, "bin", configuration, framework, assembly);
                return File.Exists(path) ? path : throw new LabException($"{path} has not been built");
            }
        }

        throw new LabException($"{assembly} was not found: {own} is not inside the source tree");
    }
}
