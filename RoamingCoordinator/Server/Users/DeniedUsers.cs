using System.Collections.Immutable;
using System.Text;
using Masquerade.Core.Control;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>
/// Users who are denied, a name on each line of a file. Names are the same in upper and lower case. A denial that has been promised survives a crash: the file is replaced as a whole and is on the
/// disk before anybody is told. Where a store is shared it promises, and the file is a copy. Changed in the coordinator's loop; read by any thread.
/// </summary>
internal sealed class DeniedUsers
{
    /// <summary>An access point that comes back is told all of them.</summary>
    public const int MaxUsers = 4_096;

    private static readonly ImmutableSortedSet<string> s_nobody = ImmutableSortedSet.Create<string>(StringComparer.OrdinalIgnoreCase);

    private readonly string _path;
    private volatile ImmutableSortedSet<string> _names;

    private DeniedUsers(string path, ImmutableSortedSet<string> names) => (_path, _names) = (path, names);

    /// <summary>Reads the file, if there is one.</summary>
    /// <param name="path">The file; empty: denials are not kept.</param>
    /// <exception cref="IOException">It is there and cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public static DeniedUsers Open(string path) =>
        new(path, path.Length == 0 || !File.Exists(path) ? s_nobody : s_nobody.Union(File.ReadLines(path).Select(l => l.Trim()).Where(l => l.Length is > 0 and <= ControlLimits.MaxReasonLength).Take(MaxUsers)));

    /// <summary>All names, in order.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>A line of the file is a name: what would be another line, or none, is none that RADIUS knows.</summary>
    public static bool IsName(string user) => user.Trim().Length == user.Length && user.Length is > 0 and <= ControlLimits.MaxReasonLength && !user.Any(char.IsControl);

    public bool Contains(string user) => _names.Contains(user);

    /// <summary>Denies a user, or does no more. <see cref="Replacement.Not"/>: it could not be kept, and nothing has changed.</summary>
    public Replacement Set(string user, bool denied)
    {
        if (_names.Contains(user) == denied)
        {
            return Replacement.Done;
        }

        if (denied && (_names.Count >= MaxUsers || !IsName(user)))
        {
            return Replacement.Not;
        }

        var next = denied ? _names.Add(user) : _names.Remove(user);
        var kept = Write(next);
        if (kept != Replacement.Not)
        {
            _names = next;
        }

        return kept;
    }

    /// <summary>The store has kept that a user is denied, or is no more. False: the file has not.</summary>
    public bool Follow(string user, bool denied) => Become(denied ? _names.Add(user) : _names.Remove(user));

    /// <summary>Where copies of the file are kept that the store does not bear out.</summary>
    public string PlaceBefore => _path + ".before";

    /// <summary>Keeps what the file has beside it, before something else replaces it. False: it could not be.</summary>
    public bool KeepBefore() => _path.Length == 0 || DurableFile.Replace(PlaceBefore, Lines(_names)) == Replacement.Done;

    /// <summary>What the store says of all users. Gives back who is denied that was not before.</summary>
    /// <param name="names">Who is denied.</param>
    /// <param name="removed">Who is denied no more.</param>
    /// <param name="isCopied">Whether the file has it as well.</param>
    public IReadOnlyList<string> Follow(IReadOnlyList<string> names, out IReadOnlyList<string> removed, out bool isCopied)
    {
        var next = s_nobody.Union(names.Where(IsName));
        var added = next.Except(_names);
        removed = _names.Except(next);
        isCopied = Become(next);
        return added;
    }

    private bool Become(ImmutableSortedSet<string> next)
    {
        var isOther = !next.SetEquals(_names);
        _names = next;
        return !isOther || Write(next) == Replacement.Done;
    }

    private Replacement Write(ImmutableSortedSet<string> names) => _path.Length == 0 ? Replacement.Done : DurableFile.Replace(_path, Lines(names));

    private static byte[] Lines(ImmutableSortedSet<string> names) => Encoding.UTF8.GetBytes(string.Concat(names.Select(name => name + "\n")));
}
