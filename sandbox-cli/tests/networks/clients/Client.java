// Fetches each URL and prints a line for it: what came, or the kind of error. The first argument is
// the file of the authority that is trusted; an URL after `new:` is fetched by the newer client.
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import javax.net.ssl.*;

class Client {
    public static void main(String[] words) throws Exception {
        SSLContext trust = trust(Path.of(words[0]));
        HttpsURLConnection.setDefaultSSLSocketFactory(trust.getSocketFactory());
        HttpClient newer = HttpClient.newBuilder().sslContext(trust)
            .version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(20)).build();
        for (int at = 1; at < words.length; at++) {
            String url = words[at];
            try {
                String text = url.startsWith("new:") ? get(newer, url.substring(4)) : get(url);
                System.out.println("ok " + text);
            } catch (IOException error) {
                System.out.println(kind(error));
            }
        }
    }

    static String get(HttpClient client, String url) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(20)).build();
        return client.send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    static String get(String url) throws IOException {
        URLConnection connection = URI.create(url).toURL().openConnection();
        connection.setConnectTimeout(20000);
        connection.setReadTimeout(20000);
        try (InputStream stream = connection.getInputStream()) {
            return new String(stream.readAllBytes());
        }
    }

    static String kind(Throwable error) {
        for (Throwable it = error; it != null; it = it.getCause()) {
            String text = String.valueOf(it.getMessage());
            if (it instanceof UnknownHostException || it instanceof UnresolvedAddressException) return "name";
            if (it instanceof SocketTimeoutException) return "timeout";
            if (text.contains("Permission denied")) return "access";
            if (text.contains("Connection refused")) return "refused";
            if (text.contains("Connection reset") || text.contains("Broken pipe")) return "reset";
            // What it makes of one that comes while the request is written: the error is told to a
            // call that drops it, and what the next call finds is told.
            if (text.contains("Error writing to server")) return "reset";
            if (text.contains("Unexpected end of file from server")) return "reset";
        }
        return "other: " + error;
    }

    static SSLContext trust(Path file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream stream = Files.newInputStream(file)) {
            store.setCertificateEntry("it", CertificateFactory.getInstance("X.509").generateCertificate(stream));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }
}
