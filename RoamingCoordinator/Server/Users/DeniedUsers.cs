using System.Text;
using Masquerade.Core.Control;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>
/// Users who are denied, a name on each line of a file. Names are the same in upper and lower case. A denial that has been promised survives a crash: the file is replaced as a whole and is on the
/// disk before anybody is told.
/// </summary>
internal sealed class DeniedUsers
{
    /// <summary>An access point that comes back is told all of them.</summary>
    private const int MaxUsers = 4_096;

    private readonly string _path;
    private readonly HashSet<string> _names = new(StringComparer.OrdinalIgnoreCase);

    private DeniedUsers(string path) => _path = path;

    /// <summary>Reads the file, if there is one.</summary>
    /// <param name="path">The file; empty: denials are not kept.</param>
    /// <exception cref="IOException">It is there and cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public static DeniedUsers Open(string path)
    {
        var users = new DeniedUsers(path);
        if (path.Length > 0 && File.Exists(path))
        {
            users._names.UnionWith(File.ReadLines(path).Select(l => l.Trim()).Where(l => l.Length is > 0 and <= ControlLimits.MaxReasonLength).Take(MaxUsers));
        }

        return users;
    }

    /// <summary>All names, in order.</summary>
    public IReadOnlyList<string> Names => [.. _names.Order(StringComparer.OrdinalIgnoreCase)];

    public bool Contains(string user) => _names.Contains(user);

    /// <summary>Denies a user, or does no more; false: it could not be kept, and nothing has changed.</summary>
    public bool TrySet(string user, bool denied)
    {
        if (_names.Contains(user) == denied)
        {
            return true;
        }

        // A line of the file is a name: what would be another line, or none, is none that RADIUS knows.
        if (denied && (_names.Count >= MaxUsers || user.Trim().Length != user.Length || user.Length is 0 or > ControlLimits.MaxReasonLength || user.Any(char.IsControl)))
        {
            return false;
        }

        Change(user, denied);
        if (_path.Length == 0 || TryWrite())
        {
            return true;
        }

        Change(user, !denied);
        return false;
    }

    private void Change(string user, bool denied)
    {
        if (denied)
        {
            _names.Add(user);
        }
        else
        {
            _names.Remove(user);
        }
    }

    private bool TryWrite() => DurableFile.TryReplace(_path, Encoding.UTF8.GetBytes(string.Concat(Names.Select(name => name + "\n"))));
}
