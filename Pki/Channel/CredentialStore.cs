using Masquerade.Pki.Trust;

namespace Masquerade.Pki.Channel;

/// <summary>What has become of a node's credentials.</summary>
public enum CredentialNewsKind
{
    /// <summary>The files have changed and are in use now.</summary>
    Reloaded,

    /// <summary>The files have changed but cannot be used; what was in use stays.</summary>
    ReloadFailed,

    /// <summary>Something ends soon.</summary>
    Expiring,

    /// <summary>Something has ended.</summary>
    Expired,
}

/// <summary>Something that an operator should know about a node's credentials.</summary>
/// <param name="Kind">What.</param>
/// <param name="Text">In words.</param>
public sealed record CredentialNews(CredentialNewsKind Kind, string Text);

/// <summary>
/// Keeps a node's credentials as its files have them, without a restart: looks at the files' times again and again, or when told to. Files that do not fit together (one
/// has been replaced, the other not yet) change nothing until they do. A revocation list never goes back to a lower number.
/// </summary>
public sealed class CredentialStore
{
    private readonly CredentialFiles _files;
    private readonly SiteIdentity _identity;
    private readonly TimeProvider _time;
    private readonly TimeSpan _warning;
    private readonly Dictionary<string, DateTimeOffset> _told = new(StringComparer.Ordinal);
    private volatile SiteCredentials _current;
    private string _stamp;
    private int _poked;

    private CredentialStore(CredentialFiles files, SiteIdentity identity, SiteCredentials current, string stamp, TimeSpan warning, TimeProvider time)
    {
        (_files, _identity, _current, _stamp, _warning, _time) = (files, identity, current, stamp, warning, time);
    }

    /// <summary>The credentials that new connections use.</summary>
    public SiteCredentials Current => _current;

    /// <summary>The time that certificates are judged by.</summary>
    public DateTimeOffset Now => _time.GetUtcNow();

    /// <summary>Reads the files. Null, and every problem, if they cannot be used.</summary>
    /// <param name="files">Where they are.</param>
    /// <param name="identity">Who this node is.</param>
    /// <param name="warning">How long before its end a certificate is warned about.</param>
    /// <param name="time">The clock.</param>
    /// <param name="problems">What is wrong.</param>
    public static CredentialStore? Open(CredentialFiles files, SiteIdentity identity, TimeSpan warning, TimeProvider time, out IReadOnlyList<CredentialProblem> problems)
    {
        var found = new List<CredentialProblem>();
        problems = found;
        var stamp = StampOf(files);
        return SiteCredentials.TryLoad(files, identity, found) is { } loaded ? new CredentialStore(files, identity, loaded, stamp, warning, time) : null;
    }

    /// <summary>Makes the next <see cref="Poll"/> read the files whatever their times say.</summary>
    public void Poke() => Interlocked.Exchange(ref _poked, 1);

    /// <summary>Looks at the files and at the clock, and says what is new. To be called by one thread at a time.</summary>
    public IReadOnlyList<CredentialNews> Poll()
    {
        var news = new List<CredentialNews>();
        var stamp = StampOf(_files);
        var poked = Interlocked.Exchange(ref _poked, 0) == 1;
        if (poked || !string.Equals(stamp, _stamp, StringComparison.Ordinal))
        {
            _stamp = stamp;
            news.Add(Reload());
        }

        var now = Now;
        Watch("certificate", $"the certificate of {_identity}", _current.NotAfter, now, news);
        foreach (var authority in _current.Trust.Authorities)
        {
            Watch(authority.Thumbprint, $"the authority {authority.GetNameInfo(System.Security.Cryptography.X509Certificates.X509NameType.SimpleName, false)}", new DateTimeOffset(authority.NotAfter), now, news);
        }

        foreach (var list in _current.Trust.Lists)
        {
            if (list.Next is { } next)
            {
                // A list that is too old is still used: a site must not stand still because nobody has copied a file.
                Watch("list" + list.Issuer, $"revocation list number {list.Number}", next, now, news);
            }
        }

        return news;
    }

    /// <summary>Polls until cancelled.</summary>
    public async Task WatchAsync(TimeSpan interval, Action<IReadOnlyList<CredentialNews>> tell, CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                tell(Poll());
                await Task.Delay(interval, cancel).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The node stops.
        }
    }

    private CredentialNews Reload()
    {
        var problems = new List<CredentialProblem>();
        if (SiteCredentials.TryLoad(_files, _identity, problems) is not { } loaded)
        {
            return new CredentialNews(
                CredentialNewsKind.ReloadFailed, "changed files are not used: " + string.Join("; ", problems.Select(p => $"tls.{p.Key}: {p.Value} - allowed: {p.Allowed}")));
        }

        var old = _current;
        var goesBack = old.Trust.Lists.Any(l => !loaded.Trust.Lists.Any(n => string.Equals(n.Issuer, l.Issuer, StringComparison.Ordinal) && n.Number >= l.Number));
        _current = goesBack ? loaded.With(old.Trust.Lists) : loaded;
        return new CredentialNews(
            CredentialNewsKind.Reloaded,
            $"credentials reloaded: serial {loaded.Serial}, until {TrustAnchors.Show(loaded.NotAfter)}, {loaded.Trust.Authorities.Count} authorities, {_current.Trust.Lists.Sum(l => l.Count)} revoked"
            + (goesBack ? "; a revocation list is older than the one in use, which stays" : string.Empty));
    }

    private void Watch(string key, string what, DateTimeOffset end, DateTimeOffset now, List<CredentialNews> news)
    {
        var left = end - now;
        if (left > _warning || (_told.TryGetValue(key, out var last) && now - last < TimeSpan.FromDays(1) && !(left <= TimeSpan.Zero && last < end)))
        {
            return;
        }

        _told[key] = now;
        news.Add(left <= TimeSpan.Zero
            ? new CredentialNews(CredentialNewsKind.Expired, $"{what} ended on {TrustAnchors.Show(end)}")
            : new CredentialNews(CredentialNewsKind.Expiring, $"{what} ends on {TrustAnchors.Show(end)}, in {left.TotalDays:F1} days"));
    }

    private static string StampOf(CredentialFiles files)
    {
        return string.Join('|', Paths(files).Select(Stamp));

        static IEnumerable<string> Paths(CredentialFiles files) => new[] { files.Authorities, files.Certificate, files.Key, files.Lists }.Where(p => p.Length > 0);

        static string Stamp(string path)
        {
            try
            {
                // Behind a link that is switched over, as secret stores do it, the file is another one.
                var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
                var file = new FileInfo(target);
                return file.Exists ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{target} {file.LastWriteTimeUtc.Ticks} {file.Length}") : "none";
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return e.GetType().Name;
            }
        }
    }
}
