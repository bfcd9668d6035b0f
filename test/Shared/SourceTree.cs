namespace Masquerade.Testing;

/// <summary>The tree of sources in which the running tests were built.</summary>
public static class SourceTree
{
    /// <summary>Its topmost folder.</summary>
    public static string Root => Find() ?? throw new InvalidOperationException($"no Masquerade.sln above {AppContext.BaseDirectory}");

    /// <summary>Its topmost folder; null if the tests were carried elsewhere.</summary>
    public static string? Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Masquerade.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName;
    }

    /// <summary>The text of one of its files.</summary>
    /// <param name="path">Where it is, seen from <see cref="Root"/>.</param>
    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>A program of the product, as it was built along with these tests.</summary>
    /// <param name="project">The folder of its project, seen from <see cref="Root"/>.</param>
    /// <param name="assembly">Its name, without an ending.</param>
    public static string Program(string project, string assembly)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        return Path.Combine(Root, project, "bin", own.Parent!.Name, own.Name, assembly + ".dll");
    }
}
